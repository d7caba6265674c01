"""Lists and cursors, the unique indexes, failures and agents; on both engines."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from desk.access.actor import CALLER, SYSTEM
from desk.access.agent import Agent
from desk.access.permissions import ALL_DEPARTMENTS, Grant, Permission, Role, Scope
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentNameTaken, AgentNotFound
from desk.callbacks.model import AttemptOutcome
from desk.callbacks.services import CallbackServices
from desk.database.engine import Conflict, Database
from desk.database.errors import BadCursor, StorageUnavailable
from desk.inquiries.model import ClosedReason, InquiryFilter, Status
from desk.schema import tables
from desk.schema.migrate import migrate
from desk.schema.tables import history, inquiries
from tests.support.desk.desk import as_agent, call, make_desk, person, phone
from tests.support.desk.statements import counted
from tests.support.fakes import FakeClock

SENTINEL = phone(4711)


@pytest.fixture
def agents(database: Database, clock: FakeClock) -> Agents:
    return Agents(database=database, clock=clock)


async def test_pages_neither_repeat_nor_skip(desk: CallbackServices, clock: FakeClock) -> None:
    ids = []
    for n in range(12):
        ids.append((await desk.registration.register(CALLER, call(n), "kirurgi", None, phone(n))).callback.id)
        clock.advance(timedelta(seconds=n % 2))  # some arrive in the same instant
    seen, cursor = [], None
    for _ in range(5):
        page = await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), cursor=cursor, limit=3)
        seen += [callback.id for callback in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        late = call(100 + len(seen))
        await desk.registration.register(CALLER, late, "hjerte", None, phone(99))  # other changes do not move the pages
        await desk.claiming.claim(as_agent("kari"), "kirurgi")
    assert sorted(seen) == sorted(ids)
    assert len(seen) == len(ids)


async def test_lists_contain_only_the_requested_departments_and_statuses(desk: CallbackServices) -> None:
    await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))
    await desk.registration.register(CALLER, call(2), "hjerte", None, phone(1))
    [taken] = await desk.claiming.claim(as_agent("kari"), "hjerte")

    async def listed(departments: list[str], status: list[Status] | None = None) -> list[str]:
        page = await desk.lists.page(as_agent("reader", Scope.of(departments)), InquiryFilter(status=status), limit=50)
        return [callback.department for callback in page.items]

    assert await listed(["kirurgi", "hjerte"]) == ["kirurgi", "hjerte"] or await listed(["kirurgi", "hjerte"]) == [
        "hjerte",
        "kirurgi",
    ]
    assert await listed(["hjerte"], [taken.status]) == ["hjerte"]
    assert await listed(["kirurgi"], [Status.CLAIMED, Status.CLOSED]) == []
    assert await listed(["kirurgi"], []) == []
    assert await listed([]) == []


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "W10", "bnVsbA", "eyJhIjoxfQ", "WyJjYWxscyIsMV0", "WyJjYWxsYmFja3MiLCJ4IiwieSJd", "A" * 5000],
)
async def test_foreign_cursor_is_refused(desk: CallbackServices, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), cursor=cursor, limit=5)


@pytest.mark.parametrize("cursor", ["", "x", "WyJjYWxscyIsdHJ1ZV0x", "WyJjYWxscyIsLTFd", "WyJjYWxscyIsMWUzMDBd"])
async def test_foreign_cursor_for_calls_is_refused(desk: CallbackServices, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=cursor, limit=5)


async def test_calls_are_paged(desk: CallbackServices) -> None:
    for n in range(5):
        await desk.registration.register(CALLER, call(n), "kirurgi", None, phone(n))
    first = await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=None, limit=3)
    rest = await desk.lists.calls(
        as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=first.next_cursor, limit=3
    )
    assert [each.key for each in first.items + rest.items] == [call(n) for n in range(5)]
    assert rest.next_cursor is None


async def test_list_of_any_length_needs_two_statements(desk: CallbackServices, database: Database) -> None:
    for n in range(6):
        await desk.registration.register(CALLER, call(n), "kirurgi", None, phone(n))
        [taken] = await desk.claiming.claim(as_agent("kari"), "kirurgi")
        await desk.outcomes.record_attempt(as_agent("kari"), taken.id, 1, AttemptOutcome.NO_ANSWER)
    with counted(database) as statements:
        page = await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=50)
    assert [len(callback.attempts) for callback in page.items] == [1] * 6
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 2


async def test_call_is_registered_in_few_statements(desk: CallbackServices, database: Database) -> None:
    with counted(database) as statements:
        await desk.registration.record_arrival(CALLER, call(1), "kirurgi", phone=phone(1))
    assert len(statements) == 1
    with counted(database) as statements:
        await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    reads = [each for each in statements if each.startswith("SELECT")]
    assert len(reads) == 4
    assert len(statements) - len(reads) == (1 if database.dialect == "postgresql" else 5)


async def test_each_event_has_the_version_it_led_to(desk: CallbackServices, database: Database) -> None:
    await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    [claimed] = await desk.claiming.claim(as_agent("kari"), "kirurgi")
    noted = await desk.edits.amend(as_agent("kari"), claimed.id, versions=None, note="Ring på dagtid.")
    closed = await desk.outcomes.close(as_agent("kari"), claimed.id, ClosedReason.REACHED, fence=claimed.fence)
    async with database.read() as connection:
        found = await connection.execute(select(history.c.event, history.c.version).order_by(history.c.id))
        events = [tuple(row) for row in found]
    assert events == [
        ("registered", 1),
        ("claimed", claimed.version),
        ("amended", noted.version),
        ("closed", closed.version),
    ]
    assert closed.version == 4


async def test_database_refuses_a_second_open_callback_without_showing_the_number(
    desk: CallbackServices, database: Database
) -> None:
    await desk.registration.register(CALLER, call(1), "kirurgi", None, SENTINEL)
    other = (await desk.registration.register(CALLER, call(2), "kirurgi", None, phone(2))).callback
    with pytest.raises(Conflict) as caught:
        async with database.begin() as connection:
            same = update(inquiries).where(inquiries.c.id == other.id).values(subject_key=SENTINEL.e164.encode())
            await connection.execute(same)
    assert SENTINEL.e164 not in "".join(map(str, (caught.value, caught.value.__cause__)))
    assert caught.value.__suppress_context__
    assert (await desk.lists.get(SYSTEM, other.id)).phone == phone(2)


async def test_failed_statement_is_reported_without_its_parameters(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StorageUnavailable) as caught:
        async with database.begin() as connection:
            await connection.execute(text("select * from no_such_table where phone = :phone"), {"phone": SENTINEL.e164})
    assert str(caught.value) == "The database can't be reached."
    printed = capsys.readouterr()
    assert SENTINEL.e164 not in printed.out + printed.err


async def test_times_are_read_as_aware_and_in_utc(desk: CallbackServices, database: Database) -> None:
    id = (await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))).callback.id
    there = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    async with database.begin() as connection:
        await connection.execute(update(inquiries).values(created_at=there))
    kept = (await desk.lists.get(SYSTEM, id)).created_at
    assert kept == there
    assert kept.tzinfo is UTC


async def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(StorageUnavailable):
        async with database.begin() as connection:
            await connection.execute(select(inquiries).where(inquiries.c.created_at == datetime(2026, 1, 1)))


async def test_every_method_raises_storage_unavailable_without_a_server(clock: FakeClock) -> None:
    database = Database("postgresql+asyncpg://nobody:secret-word@127.0.0.1:1/none")
    desk = make_desk(database, clock)
    for ask in (
        database.ping(),
        desk.registration.register(CALLER, call(1), "kirurgi", person(1), SENTINEL),
        desk.claiming.claim(as_agent("kari"), "kirurgi"),
    ):
        with pytest.raises(StorageUnavailable) as caught:
            await ask
        assert "secret-word" not in str(caught.value)
    await database.close()


async def test_missing_folder_of_the_file_is_storage_unavailable(tmp_path: Path, clock: FakeClock) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'innringing.db'}")
    with pytest.raises(StorageUnavailable):
        await database.ping()
    await database.close()


async def test_full_disk_is_reported_and_the_desk_continues_when_there_is_space(
    tmp_path: Path, clock: FakeClock
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    await migrate(url)
    database = Database(url, pool_size=1)
    desk = make_desk(database, clock)

    async def room(pages: int) -> None:
        async with database.read() as connection:
            await connection.execute(text(f"pragma max_page_count = {pages}"))

    await room(1)  # SQLite takes the present size for a smaller one
    stored = 0
    with pytest.raises(StorageUnavailable):
        while stored < 1000:
            await desk.registration.register(CALLER, call(stored), "kirurgi", person(stored), phone(stored))
            stored += 1
    await room(100_000)
    assert (await desk.registration.register(CALLER, call(stored), "kirurgi", person(stored), phone(stored))).created
    page = await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=200)
    assert len(page.items) == stored + 1
    await database.close()


async def test_sqlite_is_durable_and_lets_readers_read(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    await migrate(url)
    database = Database(url)
    async with database.begin() as connection:
        found = [
            (await connection.execute(text(f"pragma {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
        other = sqlite3.connect(tmp_path / "innringing.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("begin immediate")  # the unit of work holds the write lock from its start
        other.close()
        await Database.ping(database)
    assert found == ["wal", 2, 1]
    await database.close()


async def test_token_is_valid_until_it_is_revoked(agents: Agents) -> None:
    token = await agents.add(SYSTEM, "kari", Role.LEADER, ["kirurgi", "hjerte"])
    assert token.startswith("inn_") and len(token) >= 47
    assert await agents.verify(token) == Agent(
        "kari", frozenset({Grant(Role.LEADER, "kirurgi"), Grant(Role.LEADER, "hjerte")})
    )
    await agents.revoke(SYSTEM, "kari")
    assert await agents.verify(token) is None
    assert await agents.list(SYSTEM) == []


@pytest.mark.parametrize("token", ["", "inn_", "kari", "inn_" + "x" * 43, "inn_\x00", "Bearer inn_x"])
async def test_unknown_token_is_refused(agents: Agents, token: str) -> None:
    await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    assert await agents.verify(token) is None


async def test_names_are_unique_among_active_agents(agents: Agents) -> None:
    old = await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    with pytest.raises(AgentNameTaken):
        await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    await agents.revoke(SYSTEM, "kari")
    with pytest.raises(AgentNotFound):
        await agents.revoke(SYSTEM, "kari")
    new = await agents.add(SYSTEM, "kari", Role.AGENT, [ALL_DEPARTMENTS])
    assert await agents.verify(old) is None
    found = await agents.verify(new)
    assert found is not None and found.scope(Permission.READ).covers("hjerte")


async def test_token_is_stored_only_as_a_hash(agents: Agents, database: Database) -> None:
    token = await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    async with database.read() as connection:
        [row] = (await connection.execute(select(tables.tokens))).all()
    assert token not in repr(row) and token[4:] not in repr(row)
    assert len(row.hash) == 32
