"""The receipt for a stored callback, and the offer to call another number."""

from typing import Final

import structlog

from desk.access.actor import CALLER
from desk.callbacks.model import RegistrationResult
from desk.errors import DeskError
from desk.numbers.phone_number import PhoneNumber
from ivr.dialogue.context import OFFER, CallContext
from ivr.dialogue.phone import ask_phone
from ivr.dialogue.speech import callback_number_prompts, receipt, sms_prompts
from ivr.dialogue.steps import ANOTHER_KEY, LanguageRequest, LoneKeys, choose
from ivr.prompts.keys import Prompt

log = structlog.get_logger(__name__)

MOST_ASKED: Final = 3
MOST_LANGUAGES: Final = 4


async def give_receipt(context: CallContext, stored: RegistrationResult, lone: LoneKeys) -> None:
    """Say that the callback is stored, when we call and which number, and let the caller change the number.

    Nothing that the caller does, or does not do, undoes what is stored. Raises SwitchboardRequest and ChoiceRequest.
    """
    call = context.call
    # Speak a new promise relative to its storage time, so that the caller hears exactly what was stored.
    now = stored.callback.created_at if stored.created else context.clock.now()
    for _ in range(MOST_LANGUAGES):
        try:
            try:
                await call.play(*receipt(stored, context.department, now=now), required=True)
            finally:
                await _doubt_identity(context, stored)
            call.forget_keys()
            await offer_another_number(context, lone)
            return
        except LanguageRequest as request:
            call.language = request.language


async def _doubt_identity(context: CallContext, stored: RegistrationResult) -> None:
    """Mark the identity number for an agent where digits followed it: a key was doubled, and the rest came too late."""
    callback = stored.callback
    if not (stored.created and callback.patient_kind and context.call.identity_in_doubt):
        return
    await _doubt(context)


async def _doubt(context: CallContext) -> None:
    try:
        await context.callers.doubt_identity(CALLER, context.call.key)
    except DeskError as error:
        log.error("Could not mark an identity number as doubtful", error=error.id)


async def offer_another_number(context: CallContext, lone: LoneKeys) -> None:
    """Offer to call another number. A new number is stored and confirmed at once."""
    question: tuple[Prompt, ...] = (Prompt.CHANGE_NUMBER,)
    for _ in range(MOST_ASKED):
        key = await choose(context.call, *question, patience=OFFER, lone=lone)
        if key == ANOTHER_KEY:
            await change_number(context, lone)
        if key in ("", ANOTHER_KEY):
            return


async def change_number(context: CallContext, lone: LoneKeys) -> None:
    """Ask for another number, store it and say so. Without a usable one the first stays. Raises DeskError."""
    call = context.call
    call.forget_keys()
    phone: PhoneNumber | None = await ask_phone(call, lone=lone)
    if phone is None:
        await call.play(Prompt.WE_RING_AS_TOLD, Prompt.MAY_HANG_UP)
        return
    changed = await context.callers.change_phone(CALLER, call.key, phone)
    if call.identity and call.identity.doubtful:
        await _doubt(context)
    await call.play(*callback_number_prompts(phone), Prompt.PAUSE, *sms_prompts(changed), Prompt.MAY_HANG_UP)
