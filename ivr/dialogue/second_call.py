"""A call from someone with an open callback: its status, and how to cancel it or change its number."""

from typing import Final

from desk.access.actor import CALLER
from desk.callbacks.model import RegistrationResult
from desk.callbacks.repeat_callers import Standing
from desk.clock import Clock
from desk.departments.departments import Department
from desk.inquiries.model import Status
from ivr.calls.call import Call
from ivr.calls.desk import RepeatCallerDesk
from ivr.dialogue.speech import (
    brief_standing_prompts,
    callback_number_prompts,
    full_standing_prompts,
    receipt,
    sms_prompts,
)
from ivr.dialogue.steps import STRAY_SECONDS, LoneKeys, Patience, ask_another_number, pressed
from ivr.prompts.keys import Prompt

CHOICE: Final = Patience(first=6, between=6)
MOST_ASKED: Final = 3


async def announce_standing(
    call: Call,
    callers: RepeatCallerDesk,
    department: Department,
    standing: Standing,
    *,
    allow_foreign: bool,
    lone: LoneKeys,
    clock: Clock,
) -> None:
    """Say the status of the callback. A caller who keyed its identity number hears all and may cancel or change it.

    Silence, or a hang-up at any point, leaves the callback open. Raises DeskError when a change could not be stored.
    """
    now = clock.now()
    if standing.callback.status is Status.CLOSED:  # this call was recovered after it cancelled the callback
        await call.play(Prompt.CANCELLED)
        return
    if (
        not standing.is_new_call and standing.callback.call_count == 1
    ):  # this call was recovered after it stored the callback
        stored = RegistrationResult(standing.callback, created=False)
        await call.play(*receipt(stored, department, known_person=standing.known_person, now=now))
        return
    if not standing.known_person:
        await call.play(*brief_standing_prompts(standing))
        return
    call.forget_keys(stray=STRAY_SECONDS)
    prompts = full_standing_prompts(standing, department, now)
    for _ in range(MOST_ASKED):
        keys = await pressed(call, *prompts, Prompt.CANCEL_OR_CHANGE, digits=1, patience=CHOICE, lone=lone)
        match keys.digits:
            case "":
                return
            case "1":
                await _cancel(call, callers, lone)
                return
            case "2":
                await _change_number(call, callers, allow_foreign=allow_foreign, lone=lone)
                return
        prompts = []


async def _cancel(call: Call, callers: RepeatCallerDesk, lone: LoneKeys) -> None:
    """Cancel the callback after a second confirmation. A key that is held down or pressed twice counts once."""
    call.forget_keys(stray=STRAY_SECONDS)
    keys = await pressed(call, Prompt.CONFIRM_CANCEL, digits=1, patience=CHOICE, lone=lone)
    if keys.digits != "1":
        await call.play(Prompt.STILL_ON_LIST, Prompt.MAY_HANG_UP)
        return
    await callers.cancel(CALLER, call.key)
    await call.play(Prompt.CANCELLED)


async def _change_number(call: Call, callers: RepeatCallerDesk, *, allow_foreign: bool, lone: LoneKeys) -> None:
    phone = await ask_another_number(call, allow_foreign=allow_foreign, lone=lone)
    if phone is None:
        await call.play(Prompt.STILL_ON_LIST, Prompt.MAY_HANG_UP)
        return
    changed = await callers.change_phone(CALLER, call.key, phone)
    await call.play(*callback_number_prompts(phone), Prompt.PAUSE, *sms_prompts(changed), Prompt.MAY_HANG_UP)
