"""The frequent queries use their index: their plans, on both engines, on a queue with years of callbacks.

Each test does what the product does, captures the statements, and asks the engine how it runs them.
"""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, text

from desk.access.actor import SYSTEM
from desk.access.permissions import Scope
from desk.audit import repository as audit
from desk.audit.lists_repository import ListView, named_lately
from desk.audit.repository import AuditRow, AuditSubject
from desk.callbacks import repository as callbacks
from desk.clock import SystemClock
from desk.database.driver import GENERIC
from desk.database.engine import Database
from desk.database.unit_of_work import Unit, on_driver
from desk.history import feed_repository as changes
from desk.history.feed import Changes
from desk.inquiries import batched_claims_sql as batched
from desk.inquiries import claims_repository as claims
from desk.inquiries.claiming import LEASE
from desk.inquiries.model import ClosedReason, InquiryFilter, Priority, Status
from desk.ledger.ledger import Ledger
from desk.messages import repository as outbox
from desk.numbers.phone_number import PhoneNumber
from tests.support.desk.desk import DEPARTMENTS, as_agent, make_desk
from tests.support.desk.filled import fill, filled_id
from tests.support.desk.units import a_unit
from tests.support.fakes import FakeClock
from tests.support.machine.servers import copied

ROWS = 20_000
BIG = {"callbacks", "inquiries", "history", "promises", "attempts", "outbox"}
CLOCK = SystemClock()
MOST_CLAIMED = 200  # as the settings have it
LATER = FakeClock(CLOCK.now() + timedelta(hours=1))

Work = Callable[[Database], Awaitable[object]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated_template: Callable[..., str]
) -> str:
    """A database with years of callbacks in it, for all tests of an engine."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("filled") / "innringing.db"
        shutil.copyfile(migrated_template("sqlite"), file)
        url = f"sqlite+aiosqlite:///{file}"
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.url(asyncio.run(copied(server, migrated_template("postgresql", server))))
    asyncio.run(_filled(url))
    return url


async def _filled(url: str) -> None:
    database = Database(url)
    await fill(database, ROWS)
    await database.close()


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[Database]:
    database = Database(filled_url)
    yield database
    await database.close()


# --- actions


async def claim(database: Database) -> None:
    desk = make_desk(database, CLOCK, most_claimed=MOST_CLAIMED)
    assert await desk.claiming.claim(as_agent("kari"), "kirurgi", limit=3)


async def complete(database: Database) -> None:
    desk = make_desk(database, CLOCK, most_claimed=MOST_CLAIMED)
    (one,) = await desk.claiming.claim(as_agent("kari"), "kirurgi")
    await desk.outcomes.close(as_agent("kari"), one.id, ClosedReason.REACHED, fence=one.fence)


async def nothing_to_claim(database: Database) -> None:
    """Only PostgreSQL has a statement of its own for that."""
    if database.dialect == "sqlite":
        return await claim(database)
    statement = batched.nothing_statement(callbacks.CHANNEL, MOST_CLAIMED)
    asked = [batched.Claim(as_agent("kari"), 1)]
    await on_driver(database, lambda driver: batched.nothing(driver, statement, "kirurgi", asked, CLOCK.now()))


async def claim_within_a_greater_unit(database: Database) -> None:
    desk = make_desk(database, CLOCK)
    due_before = CLOCK.now() + LEASE * 99
    assert await desk.claiming.claim(as_agent("kari"), "hjerte", limit=3, due_before=due_before)


async def expire(database: Database) -> None:
    async with a_unit(database, clock=LATER) as unit:
        assert await claims.expired(unit)


async def expire_in_a_department(database: Database) -> None:
    async with a_unit(database, clock=LATER) as unit:
        await claims.expired(unit, "kirurgi")


def listed(found: int = 1, **wanted: Any) -> Work:
    async def work(database: Database) -> None:
        desk = make_desk(database, CLOCK)
        page = await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), InquiryFilter(**wanted), limit=50)
        assert len(page.items) >= found
        if page.next_cursor:
            await desk.lists.page(
                as_agent("reader", Scope.of(["kirurgi"])), InquiryFilter(**wanted), cursor=page.next_cursor, limit=50
            )

    return work


async def listed_everywhere(database: Database) -> None:
    assert (
        await make_desk(database, CLOCK).lists.page(as_agent("reader", Scope.of(["kirurgi", "hjerte"])), limit=50)
    ).items


async def of_person(database: Database) -> None:
    async with a_unit(database) as unit:
        await callbacks.find_open(unit, "kirurgi", [bytes(32)], PhoneNumber("+4720000098", False))


async def others_of_person(database: Database) -> None:
    async with a_unit(database) as unit:
        await callbacks.of_same_person(unit, filled_id(database, 2), 10)


async def of_phone(database: Database) -> None:
    async with a_unit(database) as unit:
        await callbacks.find_open(unit, "kirurgi", None, PhoneNumber("+4720000098", False))
        await callbacks.find_open_of_caller(unit, "kirurgi", None, PhoneNumber("+4720000098", False))


async def tail(database: Database) -> None:
    async with a_unit(database) as unit:
        newest = await changes.newest(unit)
        assert len(await changes.after(unit, newest - 20, limit=200)) == 20
    assert await Changes(database=database, clock=SystemClock()).between(
        as_agent("reader", Scope.of(["kirurgi"])), newest - 5000, newest
    )


async def next_text(database: Database) -> None:
    async with a_unit(database, clock=CLOCK) as unit:
        assert await outbox.take(unit, until=unit.now + LEASE)


def ledger(database: Database) -> Ledger:
    return Ledger(database=database, departments=lambda: DEPARTMENTS, clock=CLOCK, lease=LEASE)


async def at_risk(database: Database) -> None:
    assert await ledger(database).at_risk(as_agent("lise", Scope.of(["kirurgi"])))


async def one_callback(database: Database) -> None:
    desk = make_desk(database, CLOCK)
    (callback,) = (await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=1)).items
    assert await desk.lists.history(SYSTEM, callback.id)


CASES: dict[str, tuple[Work, str]] = {
    "claim": (claim, "ix_inquiries_claim_order"),
    "claim and complete": (complete, "ix_inquiries_claim_order"),
    "nothing to claim": (nothing_to_claim, "ix_inquiries_claim_order"),
    "claim in a greater unit of work": (claim_within_a_greater_unit, "ix_inquiries_claim_order"),
    "leases that ran out": (expire, "ix_inquiries_lease_until"),
    "leases that ran out in a department": (expire_in_a_department, "ix_inquiries_"),
    "list": (listed(), "ix_inquiries_kept_created_at"),
    "list of several departments": (listed_everywhere, "ix_inquiries_kept_created_at"),
    "list by status": (listed(status=[Status.WAITING]), "ix_inquiries_kept_status_created_at"),
    "list by two": (listed(status=[Status.WAITING, Status.CLAIMED]), "ix_inquiries_kept_status_created_at"),
    "list by promise": (listed(due_before=CLOCK.now() + LEASE * 8, status=[Status.WAITING]), "ix_inquiries_"),
    "list by priority": (listed(priority=Priority.URGENT, status=[Status.WAITING]), "ix_inquiries_"),
    "list by language": (listed(language="en", status=[Status.WAITING]), "ix_inquiries_"),
    "list by text": (listed(text="ny time", status=[Status.WAITING]), "ix_inquiries_"),
    "mine": (listed(0, claimed_by="agent-0"), "ix_inquiries_claimed_by"),
    "by person": (of_person, "uq_inquiries_open"),
    "others of a person": (others_of_person, "ix_inquiries_patient_index"),
    "by phone": (of_phone, "ix_callbacks_phone"),
    "live tail": (tail, "history"),
    "next text": (next_text, "ix_outbox_"),
    "at risk": (at_risk, "ix_inquiries_claim_order"),
    "one callback": (one_callback, "ix_history_inquiry_id_id"),
}


@pytest.mark.parametrize("case", CASES)
async def test_query_uses_its_index(filled: Database, case: str) -> None:
    work, index = CASES[case]
    with recorded_queries(filled) as statements:
        await work(filled)
        await asyncio.sleep(0)  # the driver reports its statements a moment later
    plans = [await plan(filled, *each) for each in statements]
    assert plans, "nothing was asked"
    assert [scan for each in plans for scan in scans(each)] == []
    assert any(index in each for each in plans), "\n".join(each[:1000] for each in plans)


async def test_recent_names_of_the_audit_are_found_by_index(filled: Database) -> None:
    """A busy day's rows: two hundred people who have read lists for hours, with callbacks named now and then."""
    now = CLOCK.now()
    async with filled.begin() as connection:
        callback = (await connection.execute(text("select id from inquiries limit 1"))).scalar_one()
    made = [
        AuditRow(
            **{"seq": seq, "at": now - timedelta(seconds=6000 - seq), "who": f"agent-{seq % 200}", "role": "agent"},
            **{"action": "list_callbacks", "department": "kirurgi", "patient_index": None, "why": None},
            **{"outcome": "done", "status": 200, "problem": None, "source": "127.0.0.1", "request_id": None},
            **{"session": f"token:{seq % 200}", "emergency": False, "through": None, "through_hash": None},
            **{"key_version": 1, "hash": bytes(32), "again": 50},
            named_until=now - timedelta(seconds=5100 - seq) if seq % 10 == 0 else None,
            seen=(AuditSubject(str(callback), "kirurgi", None),) if seq % 10 == 0 else (),
        )
        for seq in range(1, 6001)
    ]
    async with filled.begin() as connection:
        await audit.append(Unit(connection, CLOCK, SYSTEM), made)
    async with filled.begin() as connection:
        await connection.execute(text("analyze"))
    tables = {"audit_callbacks", "named_until"}
    views = [ListView(f"agent-{n}", f"token:{n}", "list_callbacks") for n in (0, 20)]
    with recorded_queries(filled, tables) as statements:
        async with filled.begin() as connection:
            unit = Unit(connection, CLOCK, SYSTEM)
            assert len(await named_lately(unit, views, now - LEASE)) == 2
            assert await audit.repeats(unit, [4000, 4010]) == {4000: 4, 4010: 4}
    named, repeated = [await plan(filled, *each) for each in statements]
    assert "ix_audit_named" in named, named
    assert "ix_audit_who_seq" in repeated, repeated
    assert not re.search(r"Seq Scan|SCAN (?!CONSTANT)", named + repeated), named + repeated


# --- query plans


@contextmanager
def recorded_queries(database: Database, big: Collection[str] = BIG) -> Iterator[list[tuple[str, Any]]]:
    """The statements within the block that read a big table, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        reads = not many and re.search(r"\b(from|update)\b", statement, re.I)
        if reads and any(each in statement for each in big):
            seen.append((statement, parameters))

    def see_on_driver(query: asyncpg.connection.LoggedQuery) -> None:
        see(None, None, query.query, GENERIC, None, False)

    def look(connection: Any, *_: Any) -> None:
        connection.driver_connection.add_query_logger(see_on_driver)

    def look_away(connection: Any, *_: Any) -> None:
        if connection is not None:  # it was given up
            connection.driver_connection.remove_query_logger(see_on_driver)

    listeners: list[tuple[Any, str, Any]] = [(database.engine.sync_engine, "before_cursor_execute", see)]
    if database.driver_engine is not None:
        pool = database.driver_engine.sync_engine
        listeners += [(pool, "checkout", look), (pool, "checkin", look_away)]
    for listener in listeners:
        event.listen(*listener)
    try:
        yield seen
    finally:
        for listener in listeners:
            event.remove(*listener)


async def generic_plan(database: Database, statement: str) -> str:
    """The plan of a statement on the driver, which PostgreSQL makes without its values."""
    async with database.listener() as connection:
        await connection.execute(GENERIC)
        await connection.execute(f"prepare planned as {statement}")
        values = ", ".join(["null"] * len(set(re.findall(r"\$\d+", statement))))
        found = await connection.fetchval(f"explain (format json) execute planned({values})")
        return found if isinstance(found, str) else json.dumps(found)


async def plan(database: Database, statement: str, parameters: Any) -> str:
    """The engine's own plan: one line for each step on SQLite, JSON on PostgreSQL."""
    async with database.engine.connect() as connection:
        if database.dialect == "sqlite":
            steps = await connection.exec_driver_sql(f"explain query plan {statement}", parameters)
            return "\n".join(step.detail for step in steps)
        if parameters is GENERIC:
            return await generic_plan(database, statement)
        found = await connection.exec_driver_sql(f"explain (format json) {statement}", parameters)
        told = found.scalar_one()
        return told if isinstance(told, str) else json.dumps(told)


def scans(plan: str) -> list[str]:
    """The big tables that the plan would scan completely."""
    if not plan.startswith("["):
        return re.findall(rf"^SCAN (?:{'|'.join(BIG)})\b.*$", plan, re.M)
    return [
        step["Relation Name"]
        for step in _steps(json.loads(plan)[0]["Plan"])
        if step["Node Type"] == "Seq Scan" and step["Relation Name"] in BIG
    ]


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for inner in step.get("Plans", ()):
        yield from _steps(inner)
