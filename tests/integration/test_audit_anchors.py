"""The audit cut, emptied or rewritten in the database: the signed file outside it shows that; on both engines."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.accounts.emergency_access import Emergencies
from desk.audit.anchors import AnchorFault, AnchorFile, AnchorsChanged
from desk.audit.audit import Audit
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from desk.history import repository as history
from desk.history.model import HistoryEntry
from innringing import app
from tests.support.desk.audit import VAULT, entry, unguarded
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent
from tests.support.desk.sealed_database import variables, written
from tests.support.fakes import FakeClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "anchors"


@pytest.fixture
def audit(database: Database, clock: FakeClock, file: Path) -> Audit:
    return Audit(database=database, vault=VAULT, clock=clock, anchors=AnchorFile(file, VAULT))


@pytest.fixture
def verified(migrated_url: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run `innringing audit verify`. Returns its exit code and what it says."""
    keys = {name: written(v1=key) for name, key in KEYS.items()}
    more = variables(migrated_url, audit_anchors=str(file), **keys)
    for name, value in {**more, "INNRINGING_ENVIRONMENT": "demo"}.items():
        monkeypatch.setenv(name, value)

    async def run() -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["audit", "verify"])
        return result.exit_code, result.output

    yield run


async def rows(audit: Audit, count: int) -> None:
    for _ in range(count):
        await audit.record(entry())


async def test_cut_audit_is_found_by_the_stored_anchor(audit: Audit, database: Database, verified: Any) -> None:
    await rows(audit, 5)
    await audit.keep_anchor()
    await rows(audit, 2)
    assert (await verified())[0] == 0
    await unguarded(database, "delete from audit where seq > 5")
    assert (await verified())[0] == 0, "since the anchor"
    await unguarded(database, "delete from audit where seq > 3")
    code, said = await verified()
    assert code == 1 and "rows 4 to 5: removed" in said


async def test_emptied_audit_is_found(audit: Audit, database: Database, verified: Any, file: Path) -> None:
    await rows(audit, 3)
    await audit.keep_anchor()
    await unguarded(database, "delete from audit", "delete from audit_callbacks")
    code, said = await verified()
    assert code == 1 and "rows 1 to 3: removed" in said
    await asyncio.to_thread(file.unlink)
    code, said = await verified()
    assert code == 1 and "The audit is empty" in said


async def test_new_chain_in_place_of_the_old_is_found(
    audit: Audit, database: Database, clock: FakeClock, verified: Any
) -> None:
    await rows(audit, 3)
    await audit.keep_anchor()
    await unguarded(database, "delete from audit")
    clock.advance(timedelta(seconds=1))
    await rows(audit, 4)
    code, said = await verified()
    assert code == 1 and "not as it was when the anchor was taken" in said


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("delete from history where event = 'seen_first'", "1 rows of the history: removed"),
        ("delete from emergency_access", "1 emergency accesses: removed"),
        ("update emergency_access set reason = 'noe helt annet her'", "an emergency access: changed"),
        ("update emergency_access set department = 'kirurgi'", "an emergency access: changed"),
    ],
)
async def test_change_in_other_tables_is_found(
    audit: Audit, database: Database, clock: FakeClock, verified: Any, statement: str, words: str
) -> None:
    agents = Agents(database=database, clock=clock)
    await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    agent = (await agents.list(SYSTEM))[0]
    emergencies = Emergencies(database=database, departments=lambda: DEPARTMENTS, clock=clock)
    await emergencies.open(as_agent("kari"), agent, "hjerte", "Ingen på vakt i hjerte")
    async with database.begin() as connection:
        await history.add(Unit(connection, clock, SYSTEM), [HistoryEntry(None, "hjerte", "seen_first")])
    await rows(audit, 1)
    await audit.keep_anchor()
    await emergencies.end(as_agent("kari"), 1)
    assert (await verified())[0] == 0
    async with database.begin() as connection:
        await connection.execute(text(statement))
    code, said = await verified()
    assert code == 1 and words in said


def write(file: Path, lines: list[str]) -> None:
    file.write_text("".join(lines))


def content(file: Path) -> list[str]:
    assert file.stat().st_mode & 0o077 == 0
    return file.read_text().splitlines(keepends=True)


async def test_changed_file_of_anchors_is_found(audit: Audit, file: Path, verified: Any) -> None:
    for _ in range(3):
        await rows(audit, 1)
        await audit.keep_anchor()
    await audit.keep_anchor()
    lines = content(file)
    assert len(lines) == 3, "the same anchor is not stored twice"
    for changed in (lines[1:], [lines[0], lines[2]], [lines[0].replace("1:", "2:", 1), *lines[1:]], ["x\n", *lines]):
        write(file, changed)
        with pytest.raises(AnchorsChanged):
            AnchorFile(file, VAULT).read()
        assert (await verified())[0] == 1
    await audit.keep_anchor()
    assert audit.anchor_fault is AnchorFault.CHANGED, "as /readyz reports"
    write(file, [*lines, "4:abc torn"])
    assert len(AnchorFile(file, VAULT).read()) == 3
    await rows(audit, 1)
    await audit.keep_anchor()
    assert [each.anchor.seq for each in AnchorFile(file, VAULT).read()] == [1, 2, 3, 4]
    assert audit.anchor_fault is None
