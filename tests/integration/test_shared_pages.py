"""A page that is shown again is the page that would be read now, whatever has happened in between."""

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from api import shared_pages
from api.schemas.callbacks import CallbackPage
from desk.access.actor import SYSTEM
from desk.access.permissions import Role, Scope
from desk.callbacks.model import AttemptOutcome
from desk.database.unit_of_work import Unit
from desk.errors import DeskError
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.inquiries.model import ClosedReason, InquiryFilter, Status
from desk.messages.model import SmsState
from desk.schema.migrate import migrate
from desk.schema.tables import callbacks, inquiries
from tests.support.desk.audit import everything
from tests.support.desk.desk import as_agent
from tests.support.desk.statements import counted
from tests.support.web.api import World, amended, ids, open_world

QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"department": "kirurgi", "status": "waiting"},
    {"department": "hjerte", "status": ["waiting", "unreachable"]},
    {"status": "waiting", "limit": 3},
    {"status": "claimed"},
    {"mine": "true"},
    {"topic": "time"},
)
FILTERS = {
    0: InquiryFilter(),
    1: InquiryFilter(status=frozenset({Status.WAITING})),
    2: InquiryFilter(status=frozenset({Status.WAITING, Status.UNREACHABLE})),
    3: InquiryFilter(status=frozenset({Status.WAITING})),
    4: InquiryFilter(status=frozenset({Status.CLAIMED})),
    5: InquiryFilter(claimed_by="kari"),
    6: InquiryFilter(topic="time"),
}


class Happens:
    """Random things that change a list, some of them refused."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random, self.rung = world, random.Random(seed), 0
        self.ids: list[Any] = []
        self.fences: dict[str, int] = {}

    async def once(self) -> None:
        self.world.clock.advance(timedelta(seconds=self.random.choice([1, 1, 60, 1200])))
        act = self.random.choice(
            (
                *(self.rings, self.claim, self.attempt, self.rings, self.claim, self.attempt, self.extend, self.close),
                *(self.release, self.transfer, self.amend, self.expire, self.text_message),
            )
        )
        try:
            await act()
        except DeskError:
            return

    async def rings(self) -> None:
        self.rung += 1
        department = self.random.choice(["kirurgi", "hjerte"])
        callback = await self.world.rings(self.random.randrange(12), department=department)
        if callback.id not in self.ids:
            self.ids.append(callback.id)

    async def claim(self) -> None:
        claiming = self.world.services.callbacks.claiming
        for callback in await claiming.claim(as_agent("kari"), self.random.choice(["kirurgi", "hjerte"])):
            self.fences[callback.id] = callback.fence

    async def extend(self) -> None:
        await self._held(lambda id, fence: self.world.services.callbacks.claiming.extend(as_agent("kari"), id, fence))

    async def release(self) -> None:
        await self._held(lambda id, fence: self.world.services.callbacks.claiming.release(as_agent("kari"), id, fence))

    async def attempt(self) -> None:
        outcome = self.random.choice([AttemptOutcome.NO_ANSWER, AttemptOutcome.REACHED, AttemptOutcome.DROPPED])
        outcomes = self.world.services.callbacks.outcomes
        await self._held(lambda id, fence: outcomes.record_attempt(as_agent("kari"), id, fence, outcome))

    async def close(self) -> None:
        outcomes = self.world.services.callbacks.outcomes
        await outcomes.close(as_agent("ola"), self.random.choice(self.ids), ClosedReason.OTHER, fence=None)

    async def transfer(self) -> None:
        edits, to = self.world.services.callbacks.edits, self.random.choice(["kirurgi", "hjerte"])
        await edits.transfer(as_agent("ola"), self.random.choice(self.ids), to, keep_promise=True, fence=None)

    async def amend(self) -> None:
        callback = await self.world.services.callbacks.lists.get(as_agent("ola"), self.random.choice(self.ids))
        if callback.status is Status.WAITING and callback.department == "kirurgi":
            changes = self.random.choice([{"topic": "time"}, {"note": f"notat {self.rung}"}, {"priority": "urgent"}])
            await amended(self.world, callback.id, **changes)

    async def expire(self) -> None:
        await self.world.services.callbacks.claiming.expire_leases(SYSTEM)

    async def text_message(self) -> None:
        """As the outbox does: the state, and its event, in one unit of work."""
        callback = await self.world.services.callbacks.lists.get(as_agent("ola"), self.random.choice(self.ids))
        async with self.world.database.begin() as connection:
            unit = Unit(connection, self.world.clock, SYSTEM)
            state = self.random.choice([SmsState.SENT, SmsState.DELIVERED]).value
            await connection.execute(update(callbacks).where(callbacks.c.id == callback.id).values(sms=state))
            await history.add(unit, [HistoryEntry(callback.id, callback.department, "sms_sent")])

    async def _held(self, act: Callable[[Any, int], Awaitable[Any]]) -> None:
        if self.fences:
            id = self.random.choice(sorted(self.fences))
            await act(id, self.fences[id])


async def read_now(world: World, n: int) -> Any:
    departments = [QUERIES[n]["department"]] if "department" in QUERIES[n] else ["kirurgi", "hjerte"]
    limit = QUERIES[n].get("limit", 50)
    page = await world.services.callbacks.lists.page(SYSTEM.within(Scope.of(departments)), FILTERS[n], limit=limit)
    return CallbackPage.of(page).model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize("seed", range(2))
async def test_page_is_as_it_would_be_read_now(migrated_url: str, tmp_path: Path, seed: int) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        happens = Happens(world, seed)
        await happens.rings()
        for _ in range(25):
            await happens.once()
            for n in happens.random.sample(range(len(QUERIES)), 2):
                assert await world.get("/callbacks", params=QUERIES[n]) == await read_now(world, n)
                assert await world.get("/callbacks", params=QUERIES[n]) == await read_now(world, n)


async def test_page_that_is_shown_again_is_not_read_again(world: World) -> None:
    id = (await world.rings(1)).id
    assert await ids(world, department="kirurgi", status="waiting") == [id]
    with counted(world.database) as statements:
        assert await ids(world, department="kirurgi", status="waiting") == [id]
    assert not [each for each in statements if "FROM inquiries" in each and "promise_spoken" in each]
    assert len([each for each in statements if "from history" in each.lower()]) == 1


async def test_page_is_shown_again_while_another_department_moves(world: World) -> None:
    id = (await world.rings(1)).id
    assert await ids(world, department="kirurgi", status="waiting") == [id]
    await world.rings(2, department="hjerte")
    with counted(world.database) as statements:
        assert await ids(world, department="kirurgi", status="waiting") == [id]
    assert not [each for each in statements if "promise_spoken" in each]


async def test_page_that_is_shown_again_takes_two_statements(postgres_url: str, tmp_path: Path) -> None:
    """The token with the position of the history, and the row of the audit."""
    await migrate(postgres_url)
    async with open_world(postgres_url, tmp_path) as world:
        id = (await world.rings(1)).id
        for _ in range(3):
            await ids(world, department="kirurgi", status="waiting")
        with counted(world.database) as statements:
            assert await ids(world, department="kirurgi", status="waiting") == [id]
        assert len(statements) == 2


async def test_token_that_is_revoked_opens_no_page_that_is_kept(world: World) -> None:
    await world.rings(1)
    await ids(world, department="kirurgi")
    (token,) = await world.services.agents.tokens.list(SYSTEM, "kari")
    await world.services.agents.tokens.revoke(SYSTEM, token.id)
    assert (await world.as_("kari", "GET", "/callbacks", params={"department": "kirurgi"})).status_code == 401


async def test_page_of_another_scope_is_another_page(world: World) -> None:
    surgery, heart = (await world.rings(1)).id, (await world.rings(2, department="hjerte")).id
    await world.token("sara", Role.AGENT, ["kirurgi"])
    for _ in range(2):
        assert set(await ids(world)) == {surgery, heart}
        assert await ids(world, by="sara") == [surgery]
        assert (await world.as_("sara", "GET", "/callbacks", params={"department": "hjerte"})).status_code == 403


async def test_each_reader_of_a_page_that_is_shown_again_is_in_the_audit(world: World) -> None:
    id = (await world.rings(1)).id
    await ids(world, department="kirurgi")
    await ids(world, by="ola", department="kirurgi")
    rows = await everything(world.database)
    assert [(row.who, [each.callback_id for each in row.seen]) for row in rows] == [("kari", [id]), ("ola", [id])]


async def test_page_with_a_claim_is_read_each_time(world: World) -> None:
    """A longer lease has no row in the history."""
    id = (await world.rings(1)).id
    claimed = await world.post(f"/callbacks/{id}/claim")
    (before,) = (await world.get("/callbacks", params={"status": "claimed"}))["items"]
    world.clock.advance(timedelta(minutes=5))
    await world.post(f"/callbacks/{id}/extend", {"fence": claimed["fence"]})
    (after,) = (await world.get("/callbacks", params={"status": "claimed"}))["items"]
    assert after["lease_until"] > before["lease_until"]


async def test_nothing_is_kept_while_a_unit_of_work_is_unfinished(postgres_url: str, tmp_path: Path) -> None:
    """Its row may have a lower number than those that are seen already."""
    await migrate(postgres_url)
    async with open_world(postgres_url, tmp_path) as world:
        callback = await world.rings(1)
        async with world.database.begin() as connection:
            unit = Unit(connection, world.clock, SYSTEM)
            await history.add(unit, [HistoryEntry(callback.id, "kirurgi", "seen_first")])
            await connection.execute(update(inquiries).where(inquiries.c.id == callback.id).values(note="endret"))
            await world.rings(2)  # a higher number, which is seen first
            assert [each["note"] for each in (await world.get("/callbacks"))["items"]] == [None, None]
        assert [each["note"] for each in (await world.get("/callbacks"))["items"]] == ["endret", None]


async def test_number_of_pages_that_are_kept_is_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_pages, "MOST", 3)
    await world.rings(1)
    for limit in range(1, 8):
        await ids(world, limit=limit)
    assert len(world.services.pages._kept) == 3


async def test_page_is_read_again_after_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_pages, "LONGEST", 0.0)
    await world.rings(1)
    await ids(world)
    with counted(world.database) as statements:
        await ids(world)
    assert [each for each in statements if "promise_spoken" in each]


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> Any:
    async with open_world(migrated_url, tmp_path) as opened:
        yield opened
