"""Both doors, as processes, refuse to start with a key that does not match the database: one line, exit code 1."""

import asyncio
import base64
import sys
from pathlib import Path

import pytest

from desk.clock import SystemClock
from desk.database.engine import Database
from desk.key_rotation.keyring import Keyring
from desk.paths import ROOT
from desk.schema.migrate import migrate
from tests.support.desk.sealed_database import OLD, new_vault, old_vault, variables, written
from tests.support.web.api_process import environment, own_departments


@pytest.fixture
async def used(tmp_path: Path) -> str:
    """A database with keys of versions 1 and 2."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    await migrate(url)
    database = Database(url)
    await Keyring(database=database, vault=old_vault(), clock=SystemClock()).check()
    await Keyring(database=database, vault=new_vault(), clock=SystemClock()).check()
    await database.close()
    return url


@pytest.mark.parametrize("door", ["api", "ivr"])
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"identity_key": written(v1=OLD)}, "has no key of version 2, and this database still needs it"),
        (
            {"identity_key": written(v2=b"w" * 32, v1=OLD)},
            "its key of version 2 is not the one this database was",
        ),
        (
            {"index_key": base64.b64encode(b"w" * 32).decode()},
            "INNRINGING_INDEX_KEY: its key of version 1 is not",
        ),
        ({"identity_key": ""}, "INNRINGING_IDENTITY_KEY is not set"),
    ],
)
async def test_door_with_a_wrong_or_missing_key_ends_with_one_line(
    used: str, tmp_path: Path, door: str, keys: dict[str, str], said: str
) -> None:
    given = {"identity_key": written(v2=b"n" * 32, v1=OLD), "ari_password": "not-a-real-one", **keys}
    given["departments_file"] = str(own_departments(tmp_path))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "innringing", door),
        cwd=ROOT,
        env={**environment(used, tmp_path), **variables(used, **given)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = err.decode().splitlines()
    assert (process.returncode, out) == (1, b"")
    assert lines[-1].startswith(f"innringing {door}: ")
    assert said in lines[-1]
    assert "Traceback" not in err.decode()
    assert not (tmp_path / "keys.env").exists(), "a new key was made in silence"
