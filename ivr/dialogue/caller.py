"""The caller's conversation: from the welcome to a receipt that is true."""

from typing import Final

import structlog

from desk.callbacks import IncompleteStep
from desk.clock import Clock, SystemClock
from desk.departments import Department
from desk.desk import Desk
from desk.errors import DeskError
from desk.settings import Settings
from ivr.call import Call
from ivr.dialogue.speech import receipt
from ivr.dialogue.steps import SwitchboardWanted, ask_identity, ask_phone_number
from ivr.prompts.keys import Prompt

log = structlog.get_logger(__name__)

SYSTEM_CLOCK: Final = SystemClock()


async def request_callback(
    call: Call, desk: Desk, department: Department, *, settings: Settings, clock: Clock = SYSTEM_CLOCK
) -> None:
    """The caller leaves a number and hears when we ring back. Returns when all is said; hanging up is the controller's.

    Where no receipt would be true (nothing stored, no number to ring) or a person is wanted, the switchboard takes
    the caller. Raises CallerHungUp, and AriUnavailable when Asterisk is lost.
    """
    try:
        await _registered(call, desk, department, settings=settings, clock=clock)
    except SwitchboardWanted:
        await _switchboard(call)


async def _registered(call: Call, desk: Desk, department: Department, *, settings: Settings, clock: Clock) -> None:
    with_identity = department.identity != "off"
    patient = None
    with call.at(IncompleteStep.WELCOME):
        question = (Prompt.ASK_IDENTITY,) if with_identity else ()
        await call.play(Prompt.WELCOME, Prompt.EMERGENCY, *question, barge_in=True)
    if with_identity:
        with call.at(IncompleteStep.IDENTITY):
            patient = await ask_identity(
                call,
                required=department.identity == "required",
                allow_test=settings.demo,
                allow_h=settings.enable_h_numbers,
            )
    with call.at(IncompleteStep.PHONE):
        phone = await ask_phone_number(call, allow_foreign=settings.allow_foreign or department.allow_foreign)
        if phone is None:
            await _switchboard(call, Prompt.NO_NUMBER)
            return
    with call.at(IncompleteStep.CONFIRMATION):
        try:
            registration = await desk.register(call.key, department.slug, patient, phone, language=call.language)
        except DeskError as error:  # whatever the reason, it is not stored, and is not said to be
            log.error("A callback could not be stored", error=error.id)
            await _switchboard(call, Prompt.STORAGE_DOWN)
            return
        # A new promise is spoken from the moment it was stored for, so that the caller hears what the desk noted.
        now = registration.callback.created_at if registration.created else clock.now()
        await call.play(*receipt(registration, department, known_person=patient is not None, now=now))


async def _switchboard(call: Call, *reason: str) -> None:
    """Say why, and that a person takes over; then hand the caller over."""
    await call.play(*reason, Prompt.TO_SWITCHBOARD)
    await call.to_switchboard()
