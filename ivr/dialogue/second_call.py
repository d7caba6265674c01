"""A call from someone with an open callback: its status, and how to change its number or say that it is not needed."""

from typing import Final

from desk.access.actor import CALLER
from desk.callbacks.model import RegistrationResult
from desk.callbacks.repeat_callers import Standing
from desk.inquiries.model import Status
from ivr.dialogue.context import OFFER, CallContext
from ivr.dialogue.phone import ask_phone
from ivr.dialogue.receipt import change_number, give_receipt
from ivr.dialogue.speech import brief_standing_prompts, distant_standing_prompts, full_standing_prompts
from ivr.dialogue.steps import ANOTHER_KEY, NO_NEED_KEY, LoneKeys, choose
from ivr.prompts.keys import Prompt

MOST_ASKED: Final = 3


async def announce_standing(context: CallContext, standing: Standing, lone: LoneKeys) -> None:
    """Say the status of the callback. A caller who keyed its identity number hears all and may change or decline it.

    Silence, or a hang-up at any point, leaves the callback open. Raises DeskError when a change could not be stored.
    """
    call, now = context.call, context.clock.now()
    if standing.callback.status is Status.CLOSED:  # this call was recovered after it declined the callback
        await call.play(Prompt.DECLINED)
        return
    if not standing.is_new_call and standing.callback.call_count == 1:  # recovered after it stored the callback
        await give_receipt(context, RegistrationResult(standing.callback, created=False), lone)
        return
    if not standing.known_person:
        await _known_by_phone(context, standing, lone)
        return
    if not standing.own_phone:
        await _on_another_phone(context, standing, lone)
        return
    await call.play(*full_standing_prompts(standing, context.department, now))
    for _ in range(MOST_ASKED):
        call.forget_keys()
        match await choose(call, Prompt.CHANGE_OR_DECLINE, patience=OFFER, lone=lone):
            case "":
                return
            case str(key) if key == ANOTHER_KEY:
                await change_number(context, lone)
                return
            case str(key) if key == NO_NEED_KEY:
                await _decline(context, lone)
                return


async def _known_by_phone(context: CallContext, standing: Standing, lone: LoneKeys) -> None:
    """Say that this phone has a callback. Someone else who uses the same phone gets one as well."""
    call = context.call
    await call.play(*brief_standing_prompts(standing))
    call.forget_keys()
    if await choose(call, Prompt.OTHER_PERSON, patience=OFFER, lone=lone) != ANOTHER_KEY:
        return
    stored = await context.registration.register(
        CALLER,
        call.key,
        context.department.slug,
        None,
        standing.callback.phone,
        language=call.language,
        another=True,
    )
    await give_receipt(context, stored, lone)


async def _on_another_phone(context: CallContext, standing: Standing, lone: LoneKeys) -> None:
    """Say only when we call. A new number is added for an agent to judge, and the old one gets a text."""
    call = context.call
    await call.play(*distant_standing_prompts(standing, context.department, context.clock.now()))
    call.forget_keys()
    if await choose(call, Prompt.CHANGE_NUMBER, patience=OFFER, lone=lone) != ANOTHER_KEY:
        return
    phone = await ask_phone(call, lone=lone)
    if phone is None:
        await call.play(Prompt.WE_RING_AS_TOLD, Prompt.MAY_HANG_UP)
        return
    await context.callers.add_phone(CALLER, call.key, phone)
    await call.play(Prompt.NUMBER_ADDED, Prompt.MAY_HANG_UP)


async def _decline(context: CallContext, lone: LoneKeys) -> None:
    """Close the callback after a second confirmation. A key that is held down or pressed twice counts once."""
    call = context.call
    if await choose(call, Prompt.CONFIRM_DECLINE, patience=OFFER, lone=lone) != NO_NEED_KEY:
        await call.play(Prompt.WE_RING_AS_TOLD, Prompt.MAY_HANG_UP)
        return
    await context.callers.cancel(CALLER, call.key)
    await call.play(Prompt.DECLINED)
