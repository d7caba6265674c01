"""The caller's conversation, from the welcome to the receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from desk.access.actor import CALLER
from desk.callbacks.model import IncompleteStep, WhyEnded
from desk.clock import Clock, SystemClock
from desk.departments.choice import Choice
from desk.departments.departments import Department
from desk.errors import DeskError
from desk.numbers.errors import InvalidPhone
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.settings.numbers import NumberSettings
from ivr.calls.call import Call
from ivr.calls.desk import CallDesk, RepeatCallerDesk
from ivr.calls.recording import Recorder
from ivr.dialogue.recording import say_what_it_is_about
from ivr.dialogue.second_call import announce_standing
from ivr.dialogue.simple_questions import answer_questions
from ivr.dialogue.speech import choice_offer, receipt
from ivr.dialogue.steps import (
    ChoiceRequest,
    LanguageRequest,
    LoneKeys,
    SwitchboardRequest,
    UrgentRequest,
    ask_identity,
    ask_phone_number,
    own_number,
)
from ivr.prompts.keys import Prompt

log = structlog.get_logger(__name__)

SYSTEM_CLOCK: Final = SystemClock()
MOST_LANGUAGES: Final = 4
"""After this many changes the language keys are ignored, so that no call loops forever."""


@dataclass(frozen=True)
class _Rules:
    """The rules of this call. `choice` is the department's, while it is still offered. `welcomed`: skip the welcome."""

    department: Department
    allow_test: bool
    allow_h: bool
    allow_foreign: bool
    choice: Choice | None
    recorder: Recorder | None = None
    languages_left: int = MOST_LANGUAGES
    welcomed: bool = False

    @property
    def offer(self) -> tuple[str, ...]:
        """The prompts that offer the choice."""
        return tuple(choice_offer(self.choice)) if self.choice else ()

    @property
    def asks_identity(self) -> bool:
        return self.department.identity != "off"

    def lone(self, language: str, *, asking_identity: bool) -> LoneKeys:
        """Return the lone keys: the choice where it is offered, and the urgent line at every question."""
        offered = asking_identity or not self.asks_identity
        return LoneKeys(
            languages=language_keys(self.department, language) if self.languages_left else {},
            choice=self.choice is not None and (offered or self.choice.urgent),
            offer=self.offer if offered else (),
        )


async def request_callback(
    call: Call,
    registration: CallDesk,
    department: Department,
    *,
    callers: RepeatCallerDesk,
    numbers: NumberSettings,
    clock: Clock = SYSTEM_CLOCK,
    recorder: Recorder | None = None,
) -> None:
    """Register a callback and say when we call back. Returns at the end of the conversation, before the hang-up.

    Transfers the caller to the switchboard if the callback could not be stored, if there is no number to call back, or
    if the caller asks for a person. Raises CallerHungUp, and AriUnavailable when Asterisk is lost.
    """
    call.language = department.languages[0]
    call.key_tone = department.key_tone
    rules = _Rules(
        department,
        allow_test=numbers.allow_test,
        allow_h=numbers.enable_h_numbers,
        allow_foreign=numbers.allow_foreign or department.allow_foreign,
        choice=department.choice,
        recorder=recorder if department.recording else None,
    )
    if call.recovered:
        if await _receipt_again(call, registration, rules, clock):
            return
        rules = replace(rules, welcomed=True)
    try:
        await _until_requested(call, registration, callers, rules, clock)
    except SwitchboardRequest:
        await _switchboard(call, registration, rules, WhyEnded.ASKED_FOR_PERSON)
    except UrgentRequest as request:
        await _urgent(call, registration, rules, emergency=request.emergency)


async def _receipt_again(call: Call, registration: CallDesk, rules: _Rules, clock: Clock) -> bool:
    """Resume a recovered call. A caller who is registered hears the receipt, after anything that still plays.

    Returns False for the others, after one short sentence.
    """
    try:
        result = await registration.find_registration(CALLER, call.key)
    except DeskError as error:
        log.error("Could not read what a recovered call had stored", error=error.id)
        result = None
    if result is None:
        await call.stop_orphans()
        await call.play(Prompt.RECOVERED)
        return False
    if rules.recorder:
        await call.stop_recording(rules.recorder.name_of(result.callback.id))
    await call.play(*receipt(result, rules.department, known_person=False, now=clock.now()), required=True)
    return True


async def _until_requested(
    call: Call, registration: CallDesk, callers: RepeatCallerDesk, rules: _Rules, clock: Clock
) -> None:
    """Run the request. Start over in another language, and after the answers to simple questions."""
    while True:
        try:
            await _requested(call, registration, callers, rules, clock)
            return
        except LanguageRequest as request:
            call.language = request.language
            call.interrupted_at = None  # the request starts over
            call.forget_keys()
            rules = replace(rules, languages_left=rules.languages_left - 1, welcomed=False)
            continue
        except ChoiceRequest:
            choice = rules.choice
        if choice is None or choice.urgent:
            raise UrgentRequest(emergency=False)
        call.interrupted_at = None
        if not await answer_questions(call, registration, choice, rules.department.slug, _own_number(call, rules)):
            return
        rules = replace(rules, choice=None, welcomed=True)


def language_keys(department: Department, current: str) -> Mapping[str, str]:
    """Return the lone keys that change the language: 9 to English and back, 8 between bokmål and nynorsk."""
    offered = department.languages
    norwegian = next((language for language in offered if language != "en"), None)
    nine = norwegian if current == "en" else "en"
    eight = "nb" if current == "nn" else "nn"
    wanted = {"9": nine, "8": eight}
    return {key: language for key, language in wanted.items() if language in offered}


async def _requested(
    call: Call, registration: CallDesk, callers: RepeatCallerDesk, rules: _Rules, clock: Clock
) -> None:
    patient = await _opening(call, rules)
    try:
        with call.at(IncompleteStep.PHONE):
            if await _on_list_already(call, callers, rules, patient, clock):
                return
            lone = rules.lone(call.language, asking_identity=False)
            phone = await ask_phone_number(call, allow_foreign=rules.allow_foreign, lone=lone)
            if phone is None:
                await _switchboard(call, registration, rules, WhyEnded.NO_NUMBER, Prompt.NO_NUMBER)
                return
        with call.at(IncompleteStep.CONFIRMATION):
            slug = rules.department.slug
            result = await registration.register(CALLER, call.key, slug, patient, phone, language=call.language)
            # Speak a new promise relative to its storage time, so that the caller hears exactly what was stored.
            now = result.callback.created_at if result.created else clock.now()
            prompts = receipt(result, rules.department, known_person=patient is not None, now=now)
            await call.play(*prompts, required=True)
        if rules.recorder and result.created and not result.spooled and call.attended:  # a recording belongs to a row
            await say_what_it_is_about(call, rules.recorder, result.callback.id)
    except DeskError as error:  # nothing is stored, so the caller gets no receipt
        log.error("Could not store a callback", error=error.id)
        await _switchboard(call, registration, rules, WhyEnded.TROUBLE, Prompt.STORAGE_DOWN)


async def _opening(call: Call, rules: _Rules) -> IdentityNumber | None:
    """Play the welcome and ask for the identity number, if the department uses it. The choice is offered last."""
    with call.at(IncompleteStep.WELCOME):
        welcome = () if rules.welcomed else (Prompt.WELCOME, Prompt.EMERGENCY)
        question = (Prompt.ASK_IDENTITY, *rules.offer) if rules.asks_identity else ()
        await call.play(*welcome, *question, barge_in=True)
    if not rules.asks_identity:
        return None
    with call.at(IncompleteStep.IDENTITY):
        return await ask_identity(
            call,
            required=rules.department.identity == "required",
            allow_test=rules.allow_test,
            allow_h=rules.allow_h,
            lone=rules.lone(call.language, asking_identity=True),
        )


async def _on_list_already(
    call: Call, callers: RepeatCallerDesk, rules: _Rules, patient: IdentityNumber | None, clock: Clock
) -> bool:
    """Add the call to this caller's open callback, if there is one, and say its status."""
    phone = _own_number(call, rules)
    slug = rules.department.slug
    standing = await callers.rang_again(CALLER, call.key, slug, patient, phone, language=call.language)
    if standing is None:
        return False
    await announce_standing(
        call,
        callers,
        rules.department,
        standing,
        allow_foreign=rules.allow_foreign,
        lone=rules.lone(call.language, asking_identity=False),
        clock=clock,
    )
    return True


def _own_number(call: Call, rules: _Rules) -> PhoneNumber | None:
    try:
        return own_number(call, allow_foreign=rules.allow_foreign)
    except InvalidPhone:
        return None


async def _urgent(call: Call, registration: CallDesk, rules: _Rules, *, emergency: bool) -> None:
    """Transfer the caller at once, at any hour: to the urgent line, or to the switchboard where there is none."""
    reason = (Prompt.EMERGENCY,) if emergency else ()
    if not rules.department.has_urgent_line:
        await _switchboard(call, registration, rules, WhyEnded.URGENT, *reason)
        return
    try:
        await call.play(*reason, Prompt.TO_URGENT_LINE)
        await call.to_urgent_line()
    finally:
        await _keep(call, registration, rules, WhyEnded.URGENT)


async def _switchboard(call: Call, registration: CallDesk, rules: _Rules, why: WhyEnded, *reason: str) -> None:
    """Say the reason, transfer the caller to the switchboard, and record the call for the department."""
    try:
        await call.play(*reason, Prompt.TO_SWITCHBOARD)
        await call.to_switchboard()
    finally:
        await _keep(call, registration, rules, why)


async def _keep(call: Call, registration: CallDesk, rules: _Rules, why: WhyEnded) -> None:
    """Record the call for the department, with the reason why it was transferred."""
    step = call.interrupted_at or IncompleteStep.PHONE
    try:
        await registration.record_call(
            CALLER, call.key, rules.department.slug, phone=_own_number(call, rules), step=step, why=why
        )
    except DeskError as error:
        log.error("Could not record a transferred call", error=error.id)
