"""Answer simple questions (address, parking, opening hours), then ask if the caller still wants a callback."""

from typing import Final

import structlog

from desk.access.actor import CALLER
from desk.callbacks.model import IncompleteStep, WhyEnded
from desk.departments.choice import Choice
from desk.errors import DeskError
from desk.numbers.phone_number import PhoneNumber
from ivr.calls.call import Call
from ivr.calls.desk import CallDesk
from ivr.dialogue.steps import NO_NEED_KEY, LoneKeys, Patience, choose
from ivr.prompts.keys import Prompt

log = structlog.get_logger(__name__)

ANSWER_PATIENCE: Final = Patience(first=4, between=4)
STRAY_SECONDS: Final = 1.5


async def answer_questions(
    call: Call, registration: CallDesk, choice: Choice, department: str, phone: PhoneNumber | None
) -> bool:
    """Play the answers, then ask if the caller still wants a callback. True if the request goes on.

    The request goes on for a caller who presses nothing, or any other key than 2. When the caller presses 2 or hangs
    up, the call from `phone` is recorded as an answered call. Raises SwitchboardRequest on a lone 0.
    """
    goes_on = False
    try:
        with call.at(IncompleteStep.QUESTIONS):
            goes_on = await _still_wanted(call, choice)
            if not goes_on:
                await call.play(Prompt.GOODBYE)
        return goes_on
    finally:
        if not goes_on:
            await _keep(call, registration, department, phone)


async def _still_wanted(call: Call, choice: Choice) -> bool:
    call.forget_keys(stray=STRAY_SECONDS)  # the choice key may be held down or pressed twice
    question: list[str] = []
    for answer in choice.answers.values():
        question += [answer, Prompt.PAUSE]
    key = await choose(call, *question, Prompt.STILL_RING, patience=ANSWER_PATIENCE, lone=LoneKeys())
    return key != NO_NEED_KEY


async def _keep(call: Call, registration: CallDesk, department: str, phone: PhoneNumber | None) -> None:
    try:
        step, why = IncompleteStep.QUESTIONS, WhyEnded.ANSWERED
        await registration.record_call(CALLER, call.key, department, phone=phone, step=step, why=why)
    except DeskError as error:
        log.error("Could not record an answered call", error=error.id)
