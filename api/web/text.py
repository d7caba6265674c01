"""What text from outside may hold."""

PLAIN_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
"""Tabs and line ends, but no other control character: PostgreSQL can't store NUL, and the rest is invisible."""
