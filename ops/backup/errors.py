"""Errors of backup and restore; each docstring is the message."""

from desk.errors import DeskError


class BackupFailed(DeskError):
    """The backup was not made:"""

    id = "backup-failed"


class CopyDamaged(DeskError):
    """The copy can't be used:"""

    id = "copy-damaged"


class RestoreRefused(DeskError):
    """Nothing was restored:"""

    id = "restore-refused"
