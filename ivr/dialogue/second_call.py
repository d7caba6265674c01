"""Someone rings who is on the list already: where they stand, and what they may do about it."""

from typing import Final

from desk.callbacks.model import Registration, Status
from desk.callbacks.repeat_callers import RepeatCallers, Standing
from desk.clock import Clock
from desk.departments.departments import Department
from ivr.calls.call import Call
from ivr.dialogue.speech import number_told, receipt, sms_told, standing_hinted, standing_told
from ivr.dialogue.steps import STRAY_SECONDS, LoneKeys, Patience, ask_another_number, pressed
from ivr.prompts.keys import Prompt

CHOICE: Final = Patience(first=6, between=6)
MOST_ASKED: Final = 3


async def tell_standing(
    call: Call,
    callers: RepeatCallers,
    department: Department,
    standing: Standing,
    *,
    allow_foreign: bool,
    lone: LoneKeys,
    clock: Clock,
) -> None:
    """Say where the callback stands. Whoever keyed its identity number hears all, and may cancel or change the number.

    Silence, or hanging up at any moment, leaves it on the list. Raises DeskError when a wish could not be stored.
    """
    now = clock.now()
    if standing.callback.status is Status.CLOSED:  # taken up again after it was cancelled in this very call
        await call.play(Prompt.CANCELLED)
        return
    if not standing.anew and standing.callback.call_count == 1:  # taken up again after it was stored in this very call
        stored = Registration(standing.callback, created=False)
        await call.play(*receipt(stored, department, known_person=standing.known_person, now=now))
        return
    if not standing.known_person:
        await call.play(*standing_hinted(standing))
        return
    call.forget_keys(stray=STRAY_SECONDS)
    told = standing_told(standing, department, now)
    for _ in range(MOST_ASKED):
        keys = await pressed(call, *told, Prompt.CANCEL_OR_CHANGE, digits=1, patience=CHOICE, lone=lone)
        match keys.digits:
            case "":
                return
            case "1":
                await _cancel(call, callers, lone)
                return
            case "2":
                await _change_number(call, callers, allow_foreign=allow_foreign, lone=lone)
                return
        told = []


async def _cancel(call: Call, callers: RepeatCallers, lone: LoneKeys) -> None:
    """Asked twice, and a key held or pressed double is one answer."""
    call.forget_keys(stray=STRAY_SECONDS)
    keys = await pressed(call, Prompt.CONFIRM_CANCEL, digits=1, patience=CHOICE, lone=lone)
    if keys.digits != "1":
        await call.play(Prompt.STILL_ON_LIST, Prompt.MAY_HANG_UP)
        return
    await callers.cancel(call.key)
    await call.play(Prompt.CANCELLED)


async def _change_number(call: Call, callers: RepeatCallers, *, allow_foreign: bool, lone: LoneKeys) -> None:
    phone = await ask_another_number(call, allow_foreign=allow_foreign, lone=lone)
    if phone is None:
        await call.play(Prompt.STILL_ON_LIST, Prompt.MAY_HANG_UP)
        return
    changed = await callers.change_phone(call.key, phone)
    await call.play(*number_told(phone), Prompt.PAUSE, *sms_told(changed), Prompt.MAY_HANG_UP)
