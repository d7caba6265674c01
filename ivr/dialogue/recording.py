"""The question after the receipt: what is the call about? The callback is already stored, whatever the answer."""

from typing import Final

from ivr.calls.call import Call
from ivr.calls.recording import LONGEST_SECONDS, Recorder, RecordingOutcome
from ivr.prompts.keys import Prompt

SILENCE_SECONDS: Final = 4


async def say_what_it_is_about(call: Call, recorder: Recorder, callback_id: str) -> None:
    """Ask, record, and thank the caller once it is stored. Raises CallerHungUp; a partial recording is kept."""
    await call.play(Prompt.PAUSE, Prompt.SAY_WHAT_ABOUT)
    with recorder.expecting(callback_id) as outcome:
        await call.record(recorder.name_of(callback_id), longest=LONGEST_SECONDS, silence=SILENCE_SECONDS)
        match await outcome:
            case RecordingOutcome.STORED:
                await call.play(Prompt.RECORDING_KEPT, Prompt.MAY_HANG_UP)
            case RecordingOutcome.LOST:
                await call.play(Prompt.RECORDING_LOST, Prompt.MAY_HANG_UP)
            case RecordingOutcome.EMPTY | RecordingOutcome.UNKNOWN:
                await call.play(Prompt.MAY_HANG_UP)
