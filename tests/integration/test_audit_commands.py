"""The audit's commands and retention, and the two PostgreSQL roles that keep the service from changing it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from desk.access.actor import CALLER
from desk.audit.actions import AuditAction
from desk.audit.retention import AuditRetention
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from innringing import app
from tests.support.desk.audit import entry, everything, faults, make_audit, unguarded
from tests.support.desk.desk import call, make_desk, person, phone
from tests.support.desk.sealed_database import variables
from tests.support.desk.trusted_clock import TrustedClock
from tests.support.fakes import FakeClock

DAYS = 1827


def retention(database: Database, clock: FakeClock) -> AuditRetention:
    audit = make_audit(database, clock)
    return AuditRetention(
        database=database,
        audit=audit,
        check=TrustedClock(database=database, clock=clock),
        clock=clock,
        days=DAYS,
        rest=0,
        rows_a_step=3,
    )


async def a_row_a_day(database: Database, clock: FakeClock, days: int) -> None:
    audit = make_audit(database, clock)
    for _ in range(days):
        await audit.record(entry(patient=person(1).value))
        clock.advance(timedelta(days=1))


async def test_whole_days_are_deleted_and_the_rest_verifies(database: Database, clock: FakeClock) -> None:
    await a_row_a_day(database, clock, 10)
    assert await retention(database, clock).run() is None
    clock.advance(timedelta(days=DAYS - 3))  # the first seven were written more than that many days ago
    done = await retention(database, clock).run()
    assert done is not None
    assert (done.rows, done.through) == (7, 7)
    left = await everything(database)
    assert [row.seq for row in left] == [8, 9, 10, 11]
    assert (left[-1].who, left[-1].action, left[-1].through) == ("innringing", "audit_pruned", 7)
    assert await faults(database) == []
    assert await retention(database, clock).run() is None
    clock.advance(timedelta(days=30))
    assert (await retention(database, clock).run()) is not None
    assert [row.seq for row in await everything(database)] == [11, 12]
    assert await faults(database) == []
    async with database.read() as connection:
        assert (await connection.execute(text("select count(*) from audit_patients"))).scalar_one() == 0


async def test_interrupted_deletion_is_no_fault_and_completes_later(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_row_a_day(database, clock, 10)
    clock.advance(timedelta(days=DAYS))
    stopped = retention(database, clock)
    steps: list[int] = []

    async def dies(_seconds: float) -> None:
        steps.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("desk.audit.retention.asyncio.sleep", dies)
    with pytest.raises(KeyboardInterrupt):
        await stopped.run()
    monkeypatch.undo()
    assert [row.seq for row in await everything(database)] == [4, 5, 6, 7, 8, 9, 10, 11]
    assert await faults(database) == []
    assert (await retention(database, clock).run()) is not None
    assert [row.seq for row in await everything(database)] == [11]
    assert await faults(database) == []


async def test_deletion_beyond_retention_is_found(database: Database, clock: FakeClock) -> None:
    await a_row_a_day(database, clock, 10)
    clock.advance(timedelta(days=DAYS - 3))
    await retention(database, clock).run()
    await unguarded(database, "delete from audit where seq <= 9")
    assert [str(fault) for fault in await faults(database)] == ["rows 8 to 9: removed"]


@pytest.fixture
def environment(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {**variables(migrated_url), "INNRINGING_ENVIRONMENT": "demo"}.items():
        monkeypatch.setenv(name, value)
    yield migrated_url


def ran(*arguments: str, given: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments, input=given)
    return result.exit_code, result.stdout, result.stderr


def test_extract_names_the_viewers_in_words(environment: str, clock: FakeClock) -> None:
    async def looked() -> None:
        database = Database(environment)
        desk = make_desk(database, clock)
        callback = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
        await make_audit(database, clock).record(
            entry(AuditAction.GET_PATIENT, callbacks=[callback.id], patient=person(1).value)
        )
        await make_audit(database, clock).record(entry(AuditAction.ME))
        await database.close()

    asyncio.run(looked())
    code, out, err = ran("audit", "extract", "--by", "vera", given=person(1).value)
    assert code == 0, err
    [looked_at] = json.loads(out)["items"]
    assert (looked_at["who"], looked_at["role"]) == ("kari", "medarbeider")
    assert looked_at["action"] == "Så hele fødselsnummeret"
    assert (looked_at["department"], looked_at["outcome"]) == ("Kirurgisk poliklinikk", "utført")
    assert looked_at["at"] == "2026-11-24 09:00:00"
    assert person(1).value not in out + err
    code, out, err = ran("audit", "extract", "--by", "vera", "--format", "csv", given=person(1).value)
    assert out.splitlines()[0] == "Tidspunkt;Navn;Rolle;Avdeling;Handling;Resultat;Nødrett;Begrunnelse;Gjentatt"
    assert [line.split(";")[1:5:3] for line in out.splitlines()[1:]] == [
        ["vera", "Tok ut tilgangsloggen for en pasient"],
        ["kari", "Så hele fødselsnummeret"],
    ]
    assert ran("audit", "extract", "--by", "vera", given="12345")[0] == 1


def test_verify_reports_faults_and_exits_with_one(environment: str, clock: FakeClock) -> None:
    assert ran("agents", "add", "kari", "--all-departments")[0] == 0
    assert ran("agents", "grant", "kari", "--role", "leader", "--department", "kirurgi")[0] == 0
    assert ran("agents", "revoke", "nobody")[0] == 1
    code, out, err = ran("audit", "verify")
    assert (code, out) == (0, ""), err
    anchor = err.split("Anchor: ")[1].split()[0]
    assert anchor.startswith("3:")

    async def tampered() -> list[tuple[str, str | None, str]]:
        database = Database(environment)
        rows = [(row.action, row.why, row.outcome) for row in await everything(database)]
        await unguarded(database, "update audit set who = 'ola' where seq = 2", "delete from audit where seq = 3")
        await database.close()
        return rows

    assert asyncio.run(tampered()) == [
        ("agent_add", "kari: agent in *", "done"),
        ("agent_grant", "kari: leader in kirurgi", "done"),
        ("agent_revoke", "nobody", "refused"),
    ]
    code, out, _ = ran("audit", "verify", "--anchor", anchor)
    assert (code, out.splitlines()) == (1, ["row 2: changed, or put in", "row 3: removed"])
    assert ran("audit", "verify", "--anchor", "nonsense")[0] == 1


async def test_service_role_can_only_read_and_add(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    name = urlsplit(postgres_url).path.removeprefix("/")
    role = f"app_{name}"
    owner = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    await owner.execute(f"create role {role} login")
    parts = urlsplit(postgres_url)
    theirs = parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()
    try:
        for variable, value in {**variables(theirs), "INNRINGING_MIGRATION_URL": postgres_url}.items():
            monkeypatch.setenv(variable, value)
            code, _, err = await asyncio.to_thread(ran, "migrate")
        assert code == 0, err
        service = Database(theirs)
        await make_desk(service, clock).registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
        await make_audit(service, clock).record(entry(patient=person(1).value))
        assert await faults(service) == []
        for statement in (
            *("delete from audit", "update audit set who = 'ola'", "truncate audit", "drop table audit"),
            *("delete from audit_callbacks", "alter table audit disable trigger all", "delete from audit_patients"),
            "set session_replication_role = replica",
        ):
            with pytest.raises(StorageUnavailable):
                async with service.begin() as connection:
                    await connection.execute(text(statement))
        clock.advance(timedelta(days=DAYS + 2))
        assert await retention(service, clock).run() is None
        assert len(await everything(service)) == 1
        await service.close()
        mine = Database(postgres_url)
        assert (await retention(mine, clock).run()) is not None
        assert [row.action for row in await everything(mine)] == ["audit_pruned"]
        await mine.close()
    finally:
        await owner.execute(f"drop owned by {role}; drop role {role}")
        await owner.close()
