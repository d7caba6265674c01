"""The recorder of a rehearsal."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ivr.calls.recording import RecordingOutcome


class NotedLine(Protocol):
    """The part of a stage's line that the recorder uses."""

    recorded: list[tuple[str, float]]

    def note(self, kind: str, what: str) -> None: ...


class StageRecorder:
    """A recorder that stores every recording with speech in it."""

    def __init__(self, line: NotedLine) -> None:
        self._line = line

    def name_of(self, callback_id: str) -> str:
        return callback_id

    @contextmanager
    def expecting(self, callback_id: str) -> Iterator[Awaitable[RecordingOutcome]]:
        outcome = self._outcome()
        try:
            yield outcome
        finally:
            outcome.close()

    async def _outcome(self) -> RecordingOutcome:
        spoken = bool(self._line.recorded and self._line.recorded[-1][1])
        self._line.note("desk", "recording stored" if spoken else "no speech: recording not stored")
        return RecordingOutcome.STORED if spoken else RecordingOutcome.EMPTY
