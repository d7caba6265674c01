"""After the receipt the caller may say what it is about. Whatever becomes of that, the callback is stored already."""

from collections.abc import Awaitable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Final, Protocol

from ivr.calls.call import Call
from ivr.prompts.keys import Prompt

LONGEST_SECONDS: Final = 60
SILENCE_SECONDS: Final = 4


class Fate(StrEnum):
    """What became of a recording. `UNKNOWN`: it is not decided yet; it may be kept later."""

    KEPT = "kept"
    EMPTY = "empty"
    LOST = "lost"
    UNKNOWN = "unknown"


class Recorder(Protocol):
    """Who takes recordings out of Asterisk and into the desk."""

    def name_of(self, callback_id: str) -> str:
        """What the recording is to be called in Asterisk."""
        ...

    def expecting(self, callback_id: str) -> AbstractContextManager[Awaitable[Fate]]:
        """Await what is given, inside, for what became of the callback's recording; it takes seconds at most."""
        ...


async def say_what_it_is_about(call: Call, recorder: Recorder, callback_id: str) -> None:
    """Ask, record, and thank once it is safely kept. Raises CallerHungUp; what was said until then is kept."""
    await call.play(Prompt.PAUSE, Prompt.SAY_WHAT_ABOUT)
    with recorder.expecting(callback_id) as fate:
        await call.record(recorder.name_of(callback_id), longest=LONGEST_SECONDS, silence=SILENCE_SECONDS)
        match await fate:
            case Fate.KEPT:
                await call.play(Prompt.RECORDING_KEPT, Prompt.MAY_HANG_UP)
            case Fate.LOST:
                await call.play(Prompt.RECORDING_LOST, Prompt.MAY_HANG_UP)
            case Fate.EMPTY | Fate.UNKNOWN:
                await call.play(Prompt.MAY_HANG_UP)
