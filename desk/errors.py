"""The base of every error of the desk; each room has its own in `errors.py`. Messages hold no personal data.

Both doors map them once: the web door to problem documents, the phone door to what the caller hears.
"""

from typing import ClassVar


class DeskError(Exception):
    """The desk refused."""

    id: ClassVar[str] = "desk-error"
    """Stable name, kebab-case: the end of a problem document's type, and the field logged."""
    retry_after: int | None = None
    """Seconds until another try can succeed, where that is known."""

    def __init__(self, detail: str | None = None) -> None:
        message = (type(self).__doc__ or "").strip()
        super().__init__(f"{message} {detail}" if detail else message)
        self.detail = detail


class SettingsError(DeskError):
    """A setting is missing or wrong:"""

    id = "settings-error"
