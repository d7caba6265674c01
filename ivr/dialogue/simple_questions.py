"""Simple questions: where, parking, when. Answered without any number, and then asked whether we shall still ring."""

from typing import Final

import structlog

from desk.callbacks.model import IncompleteStep, WhyEnded
from desk.callbacks.queue import Desk
from desk.departments.choice import Choice
from desk.errors import DeskError
from desk.numbers.phone_number import PhoneNumber
from ivr.calls.call import Call
from ivr.dialogue.steps import STRAY_SECONDS, LoneKeys, Patience, pressed
from ivr.prompts.keys import Prompt

log = structlog.get_logger(__name__)

ANSWER_PATIENCE: Final = Patience(first=8, between=8)
MOST_ASKED: Final = 2


async def answer_questions(call: Call, desk: Desk, choice: Choice, department: str, phone: PhoneNumber | None) -> bool:
    """Say the answers, and ask. True: the request goes on, for who keys 1, and for who can't or doesn't key at all.

    Who keys 2, or hangs up, is kept as an answered call, rung from `phone`. Raises SwitchboardWanted on a lone 0.
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
            await _keep(call, desk, department, phone)


async def _still_wanted(call: Call, choice: Choice) -> bool:
    call.forget_keys(stray=STRAY_SECONDS)  # the choice's key held, or pressed double
    question: list[str] = []
    for answer in choice.answers.values():
        question += [answer, Prompt.PAUSE]
    for _ in range(MOST_ASKED):
        keys = await pressed(call, *question, Prompt.STILL_RING, digits=1, patience=ANSWER_PATIENCE, lone=LoneKeys())
        if keys.digits in ("1", "2"):
            return keys.digits == "1"
        question = []
    return True


async def _keep(call: Call, desk: Desk, department: str, phone: PhoneNumber | None) -> None:
    try:
        step, why = IncompleteStep.QUESTIONS, WhyEnded.ANSWERED
        await desk.record_call(call.key, department, phone=phone, step=step, why=why)
    except DeskError as error:
        log.error("An answered call could not be kept", error=error.id)
