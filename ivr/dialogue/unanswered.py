"""A caller whom the switchboard did not answer: a callback is registered on any number that is known."""

from typing import Final

import structlog

from desk.access.actor import CALLER
from desk.callbacks.model import IncompleteStep
from desk.errors import DeskError
from ivr.dialogue.context import CallContext
from ivr.dialogue.phone import ask_phone
from ivr.dialogue.receipt import give_receipt
from ivr.dialogue.steps import ChoiceRequest, LoneKeys, SwitchboardRequest
from ivr.prompts.keys import Prompt

log = structlog.get_logger(__name__)

LONE: Final = LoneKeys()


async def register_unanswered(context: CallContext) -> None:
    """Say that the switchboard does not answer, register a callback and give the receipt.

    Only a caller whose number we do not know is asked for one. No one is sent to the switchboard again.
    """
    call = context.call
    await call.play(Prompt.SWITCHBOARD_UNANSWERED)
    try:
        phone = context.own_number
        if phone is None:
            with call.at(IncompleteStep.PHONE):
                phone = await ask_phone(call, lone=LONE)
        if phone is None:
            await call.play(Prompt.NO_NUMBER, Prompt.SWITCHBOARD_UNAVAILABLE)
            return
        with call.at(IncompleteStep.CONFIRMATION):
            register = context.registration.register
            stored = await register(
                CALLER, call.key, context.department.slug, call.identity, phone, language=call.language
            )
            await give_receipt(context, stored, LONE)
    except (SwitchboardRequest, ChoiceRequest):
        await call.play(Prompt.SWITCHBOARD_UNAVAILABLE)
    except DeskError as error:
        log.error("Could not store a callback", error=error.id)
        await call.play(Prompt.STORAGE_DOWN, Prompt.SWITCHBOARD_UNAVAILABLE)
