"""docs/operations.md: each alarm has its row, and the steps for files that were set aside work on a broken system."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from api.health.components import components
from desk.access.actor import CALLER
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.paths import ROOT
from desk.spool.drainer import Drainer
from desk.spool.spool import DAMAGED, Spool, SpoolState
from desk.vault.vault import Vault
from tests.support.desk.audit import VAULT
from tests.support.desk.desk import DEPARTMENTS, KEYS, call, make_desk, make_reception, person, phone
from tests.support.desk.rows import count
from tests.support.fakes import FakeClock
from tests.support.sources import PRODUCT, python_files
from tests.support.web.api import open_world

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
WITH_ANOTHER_KEY = Vault(identity_key=bytes(range(1, 33)), index_key=KEYS["index_key"])


def test_each_alert_has_its_row_and_each_row_its_alert() -> None:
    (group,) = yaml.safe_load((ROOT / "docs" / "grafana" / "alerts.yml").read_text("utf-8"))["groups"]
    assert set(re.findall(r"`(Innringing[A-Z]\w+)`", PAGE)) == {rule["alert"] for rule in group["rules"]}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_each_part_of_readiness_has_its_row(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        parts = {*await components(world.services), "groups"}
    rows = " ".join(re.findall(r"(?m)^\| [^|]*`/readyz`: ([^|]*)\|", PAGE))
    assert {part for part in parts if f"`{part}`" not in rows} == set()


def test_each_log_line_that_is_an_alarm_is_written() -> None:
    named = [
        line for row in re.findall(r"(?m)^\| [^|]*log: ([^|]*)\|", PAGE) for line in re.findall("`([A-Z][^`]*)`", row)
    ]
    sources = "\n".join(path.read_text("utf-8") for path in python_files(*PRODUCT, at_least=250))
    assert len(named) >= 8
    assert [line for line in named if f'"{line}' not in sources] == []


async def set_aside(spool: Spool, desk: CallbackServices, clock: FakeClock, reading: Spool) -> None:
    """Keep a call in `spool`, and let the drainer of this desk set it aside."""
    reception = make_reception(desk, spool, clock, is_ready=lambda: False)
    await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    assert await Drainer(reading, desk.spooled_calls.stores()).drain() == 0
    assert await reading.state() == SpoolState(waiting=0, damaged=1)


def move_back(folder: Path) -> None:
    """Do what the page says."""
    [file] = (folder / DAMAGED).iterdir()
    file.rename(folder / file.name)


async def is_stored(spool: Spool, desk: CallbackServices, database: Database) -> None:
    """Check that the drainer stores the callback once."""
    assert await Drainer(spool, desk.spooled_calls.stores()).drain() == 1
    assert await count(database, "callbacks") == 1


async def test_file_whose_key_was_missing_is_stored_when_it_is_moved_back(
    desk: CallbackServices, database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    with_key = Spool(tmp_path / "spool", vault=WITH_ANOTHER_KEY)
    await set_aside(with_key, desk, clock, reading=Spool(tmp_path / "spool", vault=VAULT))
    move_back(tmp_path / "spool")
    await is_stored(with_key, desk, database)


async def test_file_of_a_removed_department_is_stored_when_it_is_back(
    desk: CallbackServices, database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool", vault=VAULT)
    others = Departments([each for each in DEPARTMENTS.all() if each.slug != "kirurgi"])
    await set_aside(spool, make_desk(database, clock, departments=others), clock, reading=spool)
    move_back(tmp_path / "spool")
    await is_stored(spool, desk, database)


def test_name_of_a_file_says_when_someone_called() -> None:
    [command] = re.findall(r"`(date -d @[^`]*)`", PAGE)
    script = f"name=00001790000000123456-0123456789abcdef.entry; {command} +%s"
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "1790000000\n"
