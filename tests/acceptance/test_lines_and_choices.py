"""Over real SIP: answers to simple questions, tones for keys, and the lines that bypass the conversation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from ops.softphone.rtp import RATE, decode_alaw
from tests.support.machine.system import System, running_system
from tests.support.phone.callers import PATIENCE, Caller, ringing
from tests.support.phone.dial_system import shown
from tests.support.synthetic import synthetic_identity

DEPARTMENTS = """
[kirurgi]
name = "Kirurgisk poliklinikk"
extension = "1000"
hospital_number = "+4768059000"
policy = "deadline"
cutoff = "14:00"
answer_by = "15:00"
key_tone = true
referrer_extension = "1001"
urgent_extension = "1002"
[kirurgi.choice]
urgent = true

[hjerte]
name = "Hjertepoliklinikken"
extension = "2000"
hospital_number = "+4768059001"
policy = "rounds"
rounds = ["10:00", "13:00"]
[hjerte.choice]
questions = { address = "answer_address", hours = "answer_hours" }
"""
ANSWERS = ["answer_address", "answer_hours", "still_ring"]
FAST = {"held": 2, "gap": 2}  # packets of 20 ms, and one for the release of the key: a key every 100 ms


@dataclass
class Outcome:
    """What a caller heard, and the person who answered. What was stored under their number is read afterwards."""

    heard: list[str]
    tones: int = 0
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)


class Office:
    """The phone that rings for referrers and urgent calls. It answers and records every caller."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._answered: dict[str, asyncio.Future[PhoneCall]] = {}

    async def answer(self) -> None:
        while True:
            call = await self._phone.incoming()
            call.answer()
            self._of(shown(call)).set_result(call)

    async def talks_with(self, number: str) -> PhoneCall:
        async with asyncio.timeout(PATIENCE):
            return await self._of(number)

    def _of(self, number: str) -> asyncio.Future[PhoneCall]:
        return self._answered.setdefault(number, asyncio.get_running_loop().create_future())


@asynccontextmanager
async def office_of(system: System):  # type: ignore[no-untyped-def]
    password = system.asterisk.instance.passwords["demo-phone"]
    async with Phone(port=system.settings.sip.port, user="demo-phone", password=password) as phone:
        await phone.register()
        office = Office(phone)
        answering = asyncio.create_task(office.answer())
        yield office
        answering.cancel()


async def asks_where_and_is_content(system: System) -> Outcome:
    async with ringing(system.settings, "2000", "+4768050401") as caller:
        await caller.hears("press_five")
        await caller.keys("5")
        await caller.hears("confirm_choice")
        await caller.keys("5")
        await caller.hears("still_ring")
        await caller.keys("2")
        await caller.ends()
        return Outcome(await caller.heard())


async def asks_where_and_hangs_up(system: System) -> Outcome:
    async with ringing(system.settings, "2000", "+4768050402") as caller:
        await caller.hears("press_five")
        await caller.keys("5")
        await caller.hears("confirm_choice")
        await caller.keys("5")
        await caller.hears("answer_hours")
        return Outcome(await caller.heard())


async def asks_where_and_still_wants_a_callback(system: System) -> Outcome:
    async with ringing(system.settings, "2000", "+4768050403") as caller:
        await caller.hears("welcome")
        await caller.keys("5")  # keyed from memory, while the welcome plays
        await caller.hears("confirm_choice")
        await caller.keys("5")
        last = await caller.hears("still_ring")  # silence goes on
        await caller.hears("ask_identity", after=last.start)
        await caller.keys(synthetic_identity(403))
        await caller.hears("received")
        return Outcome(await caller.heard())


async def keys_with_a_fast_hand_and_hears_tones(system: System) -> Outcome:
    async with ringing(system.settings, "1000", "+4768050404") as caller:
        await caller.hears("ask_identity")
        await caller.call.stream.press(synthetic_identity(404), **FAST)
        await caller.hears("received")
        return Outcome(await caller.heard(), tones=tones_in(caller))


async def keys_slowly_and_hears_eleven_tones(system: System) -> Outcome:
    async with ringing(system.settings, "1000", "+4768050405") as caller:
        await caller.hears("offer_urgent")
        await caller.call.stream.press(synthetic_identity(405), held=8, gap=16)
        await caller.hears("received")
        return Outcome(await caller.heard(), tones=tones_in(caller))


def tones_in(caller: Caller) -> int:
    """The number of key tones that were heard: places that match the tone as well as a phone line allows, each once."""
    tone = decode_alaw((caller.prompts / "key_tone.alaw").read_bytes()).astype(float)
    sound = caller.call.heard.samples().astype(float)
    energy = np.convolve(sound**2, np.ones(len(tone)), "valid")
    likeness = np.correlate(sound, tone, "valid") / np.sqrt(np.maximum(energy, 1.0) * (tone**2).sum())
    places = np.flatnonzero((likeness > 0.9) & (energy > (tone**2).sum() / 4))
    return int(np.sum(np.diff(places, prepend=-RATE) > RATE * 0.08))


async def is_a_referrer_and_no_one_answers(system: System) -> Outcome:
    async with ringing(system.settings, "1001", "+4768050406") as caller:
        await caller.hears("line_unanswered")
        await caller.hears("switchboard_unanswered")
        await caller.hears("received")
        return Outcome(await caller.heard())


async def is_anonymous_by_name_alone(system: System) -> Outcome:
    async with ringing(system.settings, "1000", "+4768050411", withheld=True, private=False) as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(411))
        await caller.hears("phone_withheld")
        return Outcome(await caller.heard())


async def leaves_a_number(system: System, number: str, person: int) -> None:
    async with ringing(system.settings, "1000", number) as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(person))
        await caller.hears("received")


async def will_ring_again(system: System) -> Outcome:
    await asyncio.gather(leaves_a_number(system, "+4768050407", 407), leaves_a_number(system, "+4768050408", 408))
    return Outcome([])


async def is_a_referrer(system: System, office: Office) -> Outcome:
    return await talks(system, office, "1001", "+4768050409")


async def rings_the_urgent_line(system: System, office: Office) -> Outcome:
    return await talks(system, office, "1002", "+4768050407")


async def keys_for_the_urgent_line(system: System, office: Office) -> Outcome:
    async with ringing(system.settings, "1000", "+4768050408") as caller:
        await caller.hears("offer_urgent")
        await caller.keys("5")
        await caller.hears("confirm_choice")
        await caller.keys("5")
        return await talking(caller, office, "+4768050408")


async def keys_an_emergency_number(system: System, office: Office) -> Outcome:
    async with ringing(system.settings, "1000", "+4768050410") as caller:
        await caller.hears("ask_identity")
        await caller.keys("113")
        return await talking(caller, office, "+4768050410")


async def talks(system: System, office: Office, extension: str, number: str) -> Outcome:
    async with ringing(system.settings, extension, number) as caller:
        return await talking(caller, office, number)


async def talking(caller: Caller, office: Office, number: str) -> Outcome:
    """The person who answers says something, and the caller hears it."""
    call = await office.talks_with(number)
    call.stream.say((caller.prompts / "recovered.alaw").read_bytes())
    await caller.hears("recovered")
    return Outcome(await caller.heard())


ALONE: dict[Callable[..., Awaitable[Outcome]], str] = {
    asks_where_and_is_content: "+4768050401",
    asks_where_and_hangs_up: "+4768050402",
    asks_where_and_still_wants_a_callback: "+4768050403",
    keys_with_a_fast_hand_and_hears_tones: "+4768050404",
    keys_slowly_and_hears_eleven_tones: "+4768050405",
    is_a_referrer_and_no_one_answers: "+4768050406",
    is_anonymous_by_name_alone: "+4768050411",
    will_ring_again: "",
}
WITH_OFFICE: dict[Callable[..., Awaitable[Outcome]], str] = {
    is_a_referrer: "+4768050409",
    rings_the_urgent_line: "+4768050407",
    keys_for_the_urgent_line: "+4768050408",
    keys_an_emergency_number: "+4768050410",
}
Rung = Callable[[Callable[..., Awaitable[Outcome]]], Outcome]


@pytest.fixture(scope="module")
def rung(prompts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rung]:
    """They all call at once: first while the office is empty, then while it is staffed."""
    folder = tmp_path_factory.mktemp("lines")
    file = folder / "departments.toml"
    file.write_text(DEPARTMENTS, encoding="utf-8")

    async def ring_all(system: System) -> dict[Callable[..., Awaitable[Outcome]], Outcome | BaseException]:
        outcome = dict(
            zip(ALONE, await asyncio.gather(*(s(system) for s in ALONE), return_exceptions=True), strict=True)
        )
        async with office_of(system) as office:
            more = await asyncio.gather(*(s(system, office) for s in WITH_OFFICE), return_exceptions=True)
        outcome |= zip(WITH_OFFICE, more, strict=True)
        async with system.client() as agent:
            for path in ("callbacks", "calls"):
                found = (await agent.get(f"/{path}", params={"limit": 200})).raise_for_status().json()["items"]
                for story, number in (ALONE | WITH_OFFICE).items():
                    if isinstance(one := outcome[story], Outcome):
                        setattr(one, path, [each for each in found if each["phone"] == number])
        return outcome

    with running_system(folder, departments_file=file) as system:
        outcome = asyncio.run(ring_all(system))

    def of(story: Callable[..., Awaitable[Outcome]]) -> Outcome:
        one = outcome[story]
        if isinstance(one, BaseException):
            raise one
        return one

    yield of


def test_simple_question_is_answered_without_a_callback(rung: Rung) -> None:
    one = rung(asks_where_and_is_content)
    assert one.heard == ["welcome", "emergency", "ask_identity", "skip_identity", "confirm_choice", *ANSWERS, "goodbye"]
    assert one.callbacks == []
    (call,) = one.calls
    assert (call["incomplete"], call["step"], call["why"]) == (True, "questions", "answered")


def test_hang_up_during_the_answer_counts_as_answered(rung: Rung) -> None:
    one = rung(asks_where_and_hangs_up)
    assert one.callbacks == []
    (call,) = one.calls
    assert (call["step"], call["why"]) == ("questions", "answered")


def test_caller_who_still_wants_a_callback_gets_one(rung: Rung) -> None:
    one = rung(asks_where_and_still_wants_a_callback)
    outcome = ["answer_address", "answer_hours", "still_ring", "ask_identity", "received"]
    assert [key for key in one.heard if key in outcome] == outcome
    (callback,) = one.callbacks
    assert callback["patient"]["masked"] == synthetic_identity(403)[:6] + "*****"
    (call,) = one.calls
    assert (call["incomplete"], call["why"]) == (False, None)


def test_fast_digits_are_all_kept_with_tones(rung: Rung) -> None:
    one = rung(keys_with_a_fast_hand_and_hears_tones)
    assert "ask_identity_slow" not in one.heard
    assert one.tones > 0
    (callback,) = one.callbacks
    assert callback["patient"]["masked"] == synthetic_identity(404)[:6] + "*****"


def test_each_slow_key_has_its_tone(rung: Rung) -> None:
    one = rung(keys_slowly_and_hears_eleven_tones)
    assert one.tones == 11
    (callback,) = one.callbacks
    assert callback["patient"]["masked"] == synthetic_identity(405)[:6] + "*****"


def test_referrer_reaches_a_person_without_prompts(rung: Rung) -> None:
    one = rung(is_a_referrer)
    assert one.heard == ["recovered"]  # the words of the person who answered
    assert (one.callbacks, one.calls) == ([], [])


def test_unanswered_referrer_hears_so_and_reaches_the_switchboard(rung: Rung) -> None:
    assert rung(is_a_referrer_and_no_one_answers).heard[:3] == ["line_unanswered", "switchboard_unanswered", "received"]


def test_caller_who_is_anonymous_without_a_privacy_header_is_withheld(rung: Rung) -> None:
    one = rung(is_anonymous_by_name_alone)
    assert one.heard[-1] == "phone_withheld"
    assert (one.callbacks, one.calls) == ([], []), "nothing is stored under the number that the exchange asserts"


def test_open_callback_does_not_delay_the_urgent_line(rung: Rung) -> None:
    one = rung(rings_the_urgent_line)
    assert one.heard == ["recovered"]
    (callback,) = one.callbacks
    assert (callback["status"], callback["call_count"]) == ("waiting", 1)


def test_open_callback_does_not_delay_the_urgent_line_reached_by_its_key(rung: Rung) -> None:
    one = rung(keys_for_the_urgent_line)
    assert one.heard == [
        "welcome",
        "emergency",
        "ask_identity",
        "skip_identity",
        "offer_urgent",
        "confirm_choice",
        "to_urgent_line",
        "recovered",
    ]
    (callback,) = one.callbacks
    assert (callback["status"], callback["call_count"]) == ("waiting", 1)
    assert [call["why"] for call in one.calls] == [None, "urgent"]


def test_emergency_number_is_announced_and_the_caller_put_through(rung: Rung) -> None:
    one = rung(keys_an_emergency_number)
    assert one.heard == ["welcome", "emergency", "ask_identity", "emergency", "to_urgent_line", "recovered"]
    (call,) = one.calls
    assert (call["step"], call["why"]) == ("identity", "urgent")
