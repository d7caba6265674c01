"""Texts written with what they tell of: on both databases."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from desk.access.permissions import EVERYTHING, Scope
from desk.database.engine import Conflict, Connection, Database
from desk.database.errors import StorageUnavailable
from desk.departments.departments import Departments
from desk.messages import repository as rows
from desk.numbers.phone_number import parse_phone
from tests.support.desk.desk import call, person
from tests.support.fakes import FakeClock
from tests.support.sms.outbox import LANDLINE, MOBILE, OTHER_MOBILE, RECEIPTS, Office, another_call


@pytest.fixture
def office(database: Database, clock: FakeClock) -> Office:
    return Office(database, clock)


class Sent:
    """A gateway that keeps what it is given."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    async def send(self, key: str, to: Any, text: str, *, valid: timedelta) -> str:
        self.texts.append((to.e164, text))
        return key


async def sent(office: Office) -> list[tuple[str, str]]:
    """(number, words) of all that leaves now."""
    gateway = Sent()
    while await office.outbox.send_next(gateway):
        pass
    return gateway.texts


async def test_a_receipt_tells_the_promise_with_its_date_and_names_nobody(office: Office) -> None:
    callback = await office.rings()
    assert callback.sms == "queued"
    assert (await office.desk.get(callback.id, scope=EVERYTHING)).sms == "queued"
    ((to, told),) = await sent(office)
    assert to == MOBILE.e164
    assert told == (
        "Vi har mottatt innringingen din og ringer deg tirsdag 24. november innen klokken 15, fra 68 05 00 00. "
        "Vil du avbestille, ring oss på nytt. Denne meldingen kan ikke besvares."
    )
    assert not any(word in told.lower() for word in ("kirurg", "poliklinikk", "sykehus", "fødselsnummer"))


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Tuesday 24 November by 15:00"), ("nn", "tysdag 24. november innan klokka 15"), ("se", "innen klokken 15")],
)
async def test_it_is_in_the_callers_language(office: Office, language: str, words: str) -> None:
    await office.rings(language=language)
    ((_, told),) = await sent(office)
    assert words in told


async def test_the_same_call_again_writes_no_second_one_and_knows_of_the_first(office: Office) -> None:
    await office.rings()
    again = await office.desk.register(call(1), "kirurgi", person(1), MOBILE)
    assert (again.created, again.callback.sms) == (False, "queued")
    assert await office.states() == [("receipt", "queued")]


async def test_ringing_again_with_the_same_number_writes_none(office: Office) -> None:
    await office.rings()
    assert await office.callers.rang_again(another_call(1), "kirurgi", person(1), MOBILE)
    await office.desk.register(another_call(2), "kirurgi", person(1), MOBILE)
    assert await office.states() == [("receipt", "queued")]


async def test_a_unit_of_work_that_is_run_again_writes_one(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    fill, failures = rows.fill, [Conflict()]

    async def interrupted(connection: Connection, id: int, **sealed: bytes) -> None:
        await fill(connection, id, **sealed)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(rows, "fill", interrupted)
    await office.rings()
    assert await office.states() == [("receipt", "queued")]


async def test_neither_is_stored_without_the_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(connection: Connection, id: int, **sealed: bytes) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(rows, "fill", broken)
    with pytest.raises(StorageUnavailable):
        await office.rings()
    assert await office.states() == []
    assert (await office.desk.list(scope=Scope.of(["kirurgi"]), cursor=None, limit=10)).items == []


async def test_only_mobiles_the_department_may_ring_get_one(office: Office) -> None:
    danish = parse_phone("+4520123456", allow_foreign=True)
    assert danish.mobile
    assert (await office.rings(1, LANDLINE)).sms is None
    assert (await office.rings(2, danish)).sms is None
    rules = replace(RECEIPTS.get("kirurgi"), allow_foreign=True, ring_prefixes=("+",))
    office.departments = Departments([rules])
    assert (await office.rings(3, danish)).sms == "queued"


async def test_none_where_the_department_gives_none_or_sms_is_off(office: Office) -> None:
    registration = await office.desk.register(call(1), "hjerte", person(1), MOBILE)
    assert registration.callback.sms is None
    office.on = False
    assert (await office.rings(2)).sms is None
    assert await office.states() == []


async def test_number_and_words_are_sealed_while_they_wait_and_forgotten_when_they_have_left(office: Office) -> None:
    await office.rings()
    ((phone, words),) = await office.rows("phone, text")
    assert not any(part in bytes(phone) + bytes(words) for part in (b"40612345", b"klokken", b"ringer"))
    assert len(await sent(office)) == 1
    assert await office.rows("phone, text, state") == [(None, None, "sent")]


async def test_a_new_promise_takes_the_place_of_a_receipt_that_never_left(office: Office) -> None:
    callback = await office.rings()
    given = await office.errands.promise_anew(
        callback.id, "kari", by=callback.promise.by + timedelta(days=2), fence=None, sms=True, scope=EVERYTHING
    )
    assert (given.sms_queued, given.callback.sms) == (True, "queued")
    ((_, told),) = await sent(office)
    assert told.startswith("Ny tid: Vi ringer deg torsdag 26. november innen klokken 15, fra 68 05 00 00.")
    assert await office.states() == [("receipt", "withdrawn"), ("new_promise", "sent")]
    assert (await office.desk.get(callback.id, scope=EVERYTHING)).sms == "sent"


async def test_what_never_left_follows_the_caller_to_another_number(office: Office) -> None:
    callback = await office.rings()
    await office.callers.rang_again(another_call(1), "kirurgi", person(1), MOBILE)
    changed = await office.callers.change_phone(another_call(1), OTHER_MOBILE)
    assert changed.sms == "queued"
    assert [to for to, _ in await sent(office)] == [OTHER_MOBILE.e164]
    assert (await office.desk.get(callback.id, scope=EVERYTHING)).sms == "sent"


async def test_a_new_number_gets_a_receipt_of_its_own_when_the_first_has_left(office: Office) -> None:
    await office.rings()
    assert [to for to, _ in await sent(office)] == [MOBILE.e164]
    await office.callers.rang_again(another_call(1), "kirurgi", person(1), MOBILE)
    assert (await office.callers.change_phone(another_call(1), OTHER_MOBILE)).sms == "queued"
    assert [to for to, _ in await sent(office)] == [OTHER_MOBILE.e164]


async def test_a_text_is_never_sent_to_a_landline_or_to_the_number_given_up(office: Office) -> None:
    callback = await office.rings()
    await office.callers.rang_again(another_call(1), "kirurgi", person(1), MOBILE)
    await office.callers.change_phone(another_call(1), LANDLINE)
    assert await sent(office) == []
    assert await office.states() == [("receipt", "withdrawn")]
    assert await office.events(callback.id) == [("sms_withdrawn", {"kind": "receipt"})]


async def test_who_registers_again_from_another_mobile_is_told_there(office: Office) -> None:
    await office.rings()
    registration = await office.desk.register(another_call(1), "kirurgi", person(1), OTHER_MOBILE)
    assert (registration.created, registration.callback.sms) == (False, "queued")
    assert [to for to, _ in await sent(office)] == [OTHER_MOBILE.e164]


async def test_a_cancelled_callback_is_not_told_of(office: Office) -> None:
    await office.rings()
    await office.callers.cancel(call(1))
    assert await sent(office) == []
    assert await office.states() == [("receipt", "withdrawn")]


async def test_who_rings_again_after_cancelling_gets_a_new_one(office: Office) -> None:
    await office.rings()
    await office.callers.cancel(call(1))
    await office.desk.register(another_call(1), "kirurgi", person(1), MOBILE)
    assert len(await sent(office)) == 1
    assert await office.states() == [("receipt", "withdrawn"), ("receipt", "sent")]
