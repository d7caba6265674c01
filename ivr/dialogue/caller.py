"""The caller's conversation, from the welcome to the receipt."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from desk.access.actor import CALLER
from desk.callbacks.model import IncompleteStep, RegistrationResult, WhyEnded
from desk.clock import Clock, SystemClock
from desk.departments.choice import Choice
from desk.departments.departments import Department
from desk.errors import DeskError
from desk.numbers.errors import InvalidPhone
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.settings.numbers import NumberSettings
from ivr.calls.call import DIALPLAN_LANGUAGE, Call
from ivr.calls.desk import CallDesk, RepeatCallerDesk
from ivr.calls.recording import Recorder
from ivr.dialogue.context import CallContext
from ivr.dialogue.identity import IdentityRules, ask_identity
from ivr.dialogue.phone import PHONE_PROBLEMS, ask_phone, own_number
from ivr.dialogue.receipt import give_receipt
from ivr.dialogue.recording import say_what_it_is_about
from ivr.dialogue.second_call import announce_standing
from ivr.dialogue.simple_questions import answer_questions
from ivr.dialogue.speech import choice_offer
from ivr.dialogue.steps import (
    ChoiceRequest,
    LanguageRequest,
    LoneKeys,
    Patience,
    SwitchboardRequest,
    UrgentRequest,
    choose,
)
from ivr.dialogue.unanswered import register_unanswered
from ivr.prompts.keys import Prompt, department_welcome

log = structlog.get_logger(__name__)

SYSTEM_CLOCK: Final = SystemClock()
MOST_LANGUAGES: Final = 4
"""After this many changes the language keys are ignored, so that no call loops forever."""

LOST_NUMBER: Final = 0.5
"""Seconds in which a recovered caller's keys belong to the number that was lost. They would skip the question."""
MOST_ASKED: Final = 4
"""How often a caller without a usable number is asked for one: without it there is no callback."""
FIRST_OFFER: Final = Patience(first=2, between=2)
"""How long the welcome waits for a key where no number is asked for."""


@dataclass(frozen=True)
class _Rules:
    """The rules of this call. `choice` is the department's, while it is still offered. `welcomed`: skip the welcome."""

    department: Department
    identity: IdentityRules
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
        return LoneKeys(
            languages=language_keys(self.department, language) if self.languages_left else {},
            choice=self.choice is not None and (asking_identity or self.choice.urgent),
            offer=self.offer if asking_identity else (),
        )


async def request_callback(
    call: Call,
    registration: CallDesk,
    department: Department,
    *,
    callers: RepeatCallerDesk,
    numbers: NumberSettings,
    own_numbers: Container[PhoneNumber] = (),
    clock: Clock = SYSTEM_CLOCK,
    recorder: Recorder | None = None,
) -> None:
    """Register a callback and say when we call back. Returns at the end of the conversation, before the hang-up.

    Transfers the caller to the switchboard if the callback could not be stored, if there is no number to call back, or
    if the caller asks for a person. `own_numbers` are the hospital's: a caller who calls from one is asked for another.
    Raises CallerHungUp, and AriUnavailable when Asterisk is lost.
    """
    if not call.unanswered:
        call.language = _first_language(call, department)
    call.key_tone = department.key_tone
    call.own_numbers = own_numbers
    context = CallContext(call, department, registration, callers, clock)
    rules = _Rules(
        department,
        IdentityRules(
            required=department.identity == "required",
            allow_test=numbers.allow_test,
            allow_h=numbers.enable_h_numbers,
        ),
        choice=department.choice,
        recorder=recorder if department.recording else None,
    )
    if call.unanswered:
        await register_unanswered(context)
        return
    try:
        if call.recovered:
            if await _receipt_again(context, rules):
                return
            rules = replace(rules, welcomed=True)
        await _until_requested(context, rules)
    except SwitchboardRequest:
        await _switchboard(context, WhyEnded.ASKED_FOR_PERSON)
    except UrgentRequest as request:
        await _urgent(context, emergency=request.emergency)


def _first_language(call: Call, department: Department) -> str:
    """Return the language the caller had chosen before the conversation was broken off, else the department's first."""
    chosen = call.recovered and call.language != DIALPLAN_LANGUAGE and call.language in department.languages
    return call.language if chosen else department.languages[0]


async def too_many_callers(
    call: Call,
    registration: CallDesk,
    department: Department,
    *,
    callers: RepeatCallerDesk,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Say that too many call at the same time, and transfer the caller to the switchboard."""
    call.interrupted_at = IncompleteStep.WELCOME
    context = CallContext(call, department, registration, callers, clock)
    await _switchboard(context, WhyEnded.CROWDED, Prompt.MANY_CALLERS)


async def _receipt_again(context: CallContext, rules: _Rules) -> bool:
    """Resume a recovered call. A caller who is registered hears the receipt, after anything that still plays.

    Returns False for the others, after one short sentence.
    """
    call = context.call
    try:
        stored = await context.registration.find_registration(CALLER, call.key)
    except DeskError as error:
        log.error("Could not read what a recovered call had stored", error=error.id)
        stored = None
    if stored is None:
        await call.stop_orphans()
        await call.play(Prompt.RECOVERED)
        call.forget_keys(stray=LOST_NUMBER)
        return False
    if rules.recorder:
        await call.stop_recording(rules.recorder.name_of(stored.callback.id))
    if stored.created or stored.callback.call_count == 1:
        await give_receipt(context, stored, rules.lone(call.language, asking_identity=False))
    else:  # it may be someone else's callback, so nothing of it is said
        await call.play(Prompt.ALREADY_ON_LIST, Prompt.WE_RING_AS_TOLD, Prompt.MAY_HANG_UP, required=True)
    return True


async def _until_requested(context: CallContext, rules: _Rules) -> None:
    """Run the request. Start over in another language, and after the answers to simple questions."""
    call = context.call
    while True:
        try:
            await _requested(context, rules)
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
        if not await answer_questions(call, context.registration, choice, context.department.slug, context.own_number):
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


async def _requested(context: CallContext, rules: _Rules) -> None:
    """Ask who is calling, store the callback with the number they call from, and give the receipt."""
    call = context.call
    call.identity = patient = await _opening(call, rules)
    if call.is_fax:
        await _fax(context)
        return
    lone = rules.lone(call.language, asking_identity=False)
    try:
        standing = await context.callers.rang_again(
            CALLER, call.key, rules.department.slug, patient, context.own_number, language=call.language
        )
        if standing:
            with call.at(IncompleteStep.CONFIRMATION):
                await announce_standing(context, standing, lone)
            return
        phone = await _number_to_call(context, lone)
        if phone is None:
            await _switchboard(context, WhyEnded.NO_NUMBER, Prompt.NO_NUMBER)
            return
        with call.at(IncompleteStep.CONFIRMATION):
            stored = await _store(context, call.identity, phone)  # doubtful, perhaps, since the number was keyed
            await give_receipt(context, stored, lone)
        if rules.recorder and stored.created and not stored.spooled and call.attended:  # a recording belongs to a row
            await say_what_it_is_about(call, rules.recorder, stored.callback.id)
    except DeskError as error:  # nothing is stored, so the caller gets no receipt
        log.error("Could not store a callback", error=error.id)
        await _switchboard(context, WhyEnded.TROUBLE, Prompt.STORAGE_DOWN)


async def _opening(call: Call, rules: _Rules) -> IdentityNumber | None:
    """Play the welcome and ask for the identity number, if the department uses it. The choice is offered last."""
    welcome = () if rules.welcomed else (_welcome(call), Prompt.EMERGENCY)
    if not rules.asks_identity:
        with call.at(IncompleteStep.WELCOME):
            await choose(
                call, *welcome, *rules.offer, patience=FIRST_OFFER, lone=rules.lone(call.language, asking_identity=True)
            )
        return None
    skip = () if rules.identity.required else (Prompt.SKIP_IDENTITY,)
    question = (*welcome, Prompt.ASK_IDENTITY, *skip, *rules.offer)
    return await ask_identity(
        call, *question, rules=rules.identity, lone=rules.lone(call.language, asking_identity=True)
    )


def _welcome(call: Call) -> str:
    """Return the department's own welcome, or the general one where it has none."""
    own = department_welcome(call.department)
    return own if call.has_prompt(own) else Prompt.WELCOME


async def _number_to_call(context: CallContext, lone: LoneKeys) -> PhoneNumber | None:
    """Return the number the caller calls from, or ask for one where it is withheld or unusable."""
    try:
        return own_number(context.call)
    except InvalidPhone as refused:
        reason = PHONE_PROBLEMS[refused.problem]
    with context.call.at(IncompleteStep.PHONE):
        return await ask_phone(context.call, reason, lone=lone, tries=MOST_ASKED)


async def _store(context: CallContext, patient: IdentityNumber | None, phone: PhoneNumber) -> RegistrationResult:
    call = context.call
    register = context.registration.register
    return await register(CALLER, call.key, context.department.slug, patient, phone, language=call.language)


async def _fax(context: CallContext) -> None:
    """Promise a fax machine nothing, and record the call. A person on a whistling line hears what to do."""
    context.call.interrupted_at = IncompleteStep.WELCOME
    try:
        await context.call.play(Prompt.FAX)
    finally:
        await _keep(context, WhyEnded.FAX)


async def _urgent(context: CallContext, *, emergency: bool) -> None:
    """Transfer the caller at once, at any hour: to the urgent line, or to the switchboard where there is none."""
    reason = (Prompt.EMERGENCY,) if emergency else ()
    if not context.department.has_urgent_line:
        await _switchboard(context, WhyEnded.URGENT, *reason)
        return
    try:
        await context.call.play(*reason, Prompt.TO_URGENT_LINE)
        await context.call.to_urgent_line()
    finally:
        await _keep(context, WhyEnded.URGENT)


async def _switchboard(context: CallContext, why: WhyEnded, *reason: str) -> None:
    """Say the reason, transfer the caller to the switchboard, and record the call for the department."""
    try:
        await context.call.play(*reason, Prompt.TO_SWITCHBOARD)
        await context.call.to_switchboard()
    finally:
        await _keep(context, why)


async def _keep(context: CallContext, why: WhyEnded) -> None:
    """Record the call for the department, with the reason why it was transferred."""
    call = context.call
    step = call.interrupted_at or IncompleteStep.PHONE
    try:
        await context.registration.record_call(
            CALLER,
            call.key,
            context.department.slug,
            phone=context.own_number,
            step=step,
            why=why,
            patient=call.identity,
        )
    except DeskError as error:
        log.error("Could not record a transferred call", error=error.id)
