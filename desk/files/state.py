"""What a process holds of an operators' file, as it may be shown. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TakenBy(StrEnum):
    """Why a version of a file was taken into use."""

    START = "start"
    EDIT = "edit"
    BUILD = "build"


@dataclass(frozen=True)
class FileRefusal:
    """The last try, if the file was refused then: the previous version is still used."""

    at: datetime
    line: int | None
    reason: str


@dataclass(frozen=True)
class FileState:
    """The version of a file that is in use. `taken_at` None: no valid one was ever read.

    `file` is its name without folder; `edited_at`: when that version was written.
    """

    file: str
    taken_at: datetime | None
    taken_by: TakenBy
    edited_at: datetime | None = None
    refusal: FileRefusal | None = None
