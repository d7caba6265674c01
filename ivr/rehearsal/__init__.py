"""Simulated callers, who hold every conversation there is with the files on disk, in virtual time."""
