"""What a dialogue needs in order to record a caller: the recorder's interface and the outcomes of a recording."""

from collections.abc import Awaitable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Final, Protocol

LONGEST_SECONDS: Final = 60


class RecordingOutcome(StrEnum):
    """The outcome of a recording. `UNKNOWN` means that it is not decided yet; it may still be stored later."""

    STORED = "stored"
    EMPTY = "empty"
    LOST = "lost"
    UNKNOWN = "unknown"


class Recorder(Protocol):
    """Moves recordings from Asterisk into the desk."""

    def name_of(self, callback_id: str) -> str:
        """Return the name the recording must have in Asterisk."""
        ...

    def expecting(self, callback_id: str) -> AbstractContextManager[Awaitable[RecordingOutcome]]:
        """Yield an awaitable of the outcome of the callback's recording. It resolves within seconds."""
        ...
