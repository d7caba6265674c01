"""What one phone can cause: texts to a number, callbacks, and notes; on both engines."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import Callback
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from desk.inquiries.model import ClosedReason
from desk.inquiries.notes import LONGEST_NOTE, OLDER_NOTES, shortened
from desk.privacy import personal_columns
from tests.support.desk.desk import as_agent, call, person, phone
from tests.support.fakes import FakeClock
from tests.support.sms.outbox import LANDLINE, MOBILE, OTHER_MOBILE, Office


@pytest.fixture
def office(database: Database, clock: FakeClock) -> Office:
    return Office(database, clock)


async def test_one_number_gets_three_receipts_a_day(office: Office) -> None:
    rung = [await office.rings(n) for n in range(1, 7)]
    assert [each.sms for each in rung] == ["queued"] * 3 + [None] * 3
    assert await office.states() == [("receipt", "queued")] * 3
    assert await office.events(rung[3].id) == [("sms_withheld", {"kind": "receipt"})]
    assert (await office.rings(7, OTHER_MOBILE)).sms == "queued"
    office.clock.advance(timedelta(days=1))
    assert (await office.rings(8)).sms == "queued"


async def test_number_keyed_on_other_phones_gets_three_receipts_a_day(office: Office) -> None:
    """Six strangers who key one person's mobile number, and one who changes to and fro."""
    for n in range(1, 4):
        await office.rings(n, LANDLINE)
    for n in range(1, 4):
        await office.callers.rang_again(CALLER, call(10 + n), "kirurgi", person(n), LANDLINE)
        for number in (MOBILE, OTHER_MOBILE, MOBILE, OTHER_MOBILE, MOBILE):
            await office.callers.change_phone(CALLER, call(10 + n), number)
            while await office.outbox.send_next(_Taken()):
                pass
    kinds = [kind for kind, _ in await office.states()]
    assert len(kinds) <= 6, "three to each of the two numbers"


async def test_number_gets_three_texts_a_day_about_added_numbers(office: Office) -> None:
    first = await office.rings(1)
    for n in range(1, 7):
        key = call(10 + n)
        await office.callers.rang_again(CALLER, key, "kirurgi", person(1), OTHER_MOBILE)
        await office.callers.add_phone(CALLER, key, phone(20 + n))
    assert [kind for kind, _ in await office.states()].count("number_added") == 3
    assert (await office.desk.lists.get(SYSTEM, first.id)).phone == MOBILE


async def test_promise_of_an_agent_is_always_texted(office: Office) -> None:
    rung = [await office.rings(n) for n in range(1, 5)]
    given = await office.edits.promise_again(as_agent("kari"), rung[3].id, by=None, fence=None, sms=True)
    assert given.callback.sms == "queued"


async def test_third_open_callback_on_one_phone_is_marked(office: Office) -> None:
    rung = [await office.rings(n) for n in range(1, 5)]
    assert [each.others_on_phone for each in rung] == [0, 1, 2, 3]
    shown = await office.desk.claiming.claim(as_agent("kari"), "kirurgi", limit=4)
    assert {each.id: each.others_on_phone for each in shown} == {each.id: n for n, each in enumerate(rung)}
    for each in shown:
        await office.desk.outcomes.close(as_agent("kari"), each.id, ClosedReason.OTHER, fence=each.fence)
    assert (await office.rings(5)).others_on_phone == 0


async def booked(office: Office, times: int) -> Callback:
    for n in range(times):
        made = await office.edits.book(as_agent("kari"), "kirurgi", person(1), MOBILE, note=f"{n:03} " + "x" * 996)
    return made.callback


async def test_note_has_a_ceiling_and_its_older_lines_are_in_the_history(office: Office) -> None:
    callback = await booked(office, 20)
    note = callback.note or ""
    assert len(note) <= LONGEST_NOTE
    assert note.splitlines()[0] == OLDER_NOTES
    assert [line[:3] for line in note.splitlines()[1:]] == ["017", "018", "019"]
    moved = [row.note for row in await office.desk.lists.history(SYSTEM, callback.id) if row.note]
    lines = [line[:3] for each in moved for line in each.splitlines()]
    assert lines == [f"{n:03}" for n in range(17)]


async def test_older_lines_are_deleted_with_the_patients_data(office: Office, database: Database) -> None:
    callback = await booked(office, 6)
    await office.desk.outcomes.close(as_agent("kari"), callback.id, ClosedReason.OTHER, fence=None)
    async with database.begin() as connection:
        await personal_columns.forget(Unit(connection, office.clock, SYSTEM), [callback.id])
        assert (await connection.execute(text("select count(*) from history where note is not null"))).scalar_one() == 0


@pytest.mark.parametrize(
    "note", ["x" * 5000, "a\n" * 2500, f"{OLDER_NOTES}\n" + "b" * 4000, "c" * 3000 + "\n" + "d" * 1000]
)
def test_shortened_note_loses_nothing(note: str) -> None:
    kept, older = shortened(note)
    assert older is not None and len(kept) <= LONGEST_NOTE
    plain = note.removeprefix(f"{OLDER_NOTES}\n")
    assert (older + kept.removeprefix(OLDER_NOTES)).replace("\n", "") == plain.replace("\n", "")
    assert shortened("kort") == ("kort", None)


class _Taken:
    """A gateway that takes every text."""

    async def send(self, key: str, to: object, text: str, *, valid: timedelta) -> str:
        return key
