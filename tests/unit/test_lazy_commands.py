"""The commands are loaded only when they are used."""

import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from desk.paths import ROOT
from innringing import app
from ops.commands import lazy
from ops.commands.lean import without

SOUND = {"scipy", "pyloudnorm", "numpy", "pydub"}
FHIR = {"fhir", "fhir_core"}
"""Loaded by the first request for a resource: over a second and 20 MB."""
PHONE_DOORS_NEED_NONE = SOUND | FHIR | {"fastapi", "starlette", "uvicorn", "api"}
"""Libraries of the web door."""
PHONE_DOORS_NEED_NONE |= {"rich", "pygments", "argon2", "cryptography.x509", "desk.safeguards", "desk.audit.audit"}
PHONE_DOORS_NEED_NONE |= {"sqlalchemy.orm"}
"""13 MB of the 100 that the phone door may take."""
LOADED = """\
import sys
import typer
from innringing import app

typer.main.get_command(app).get_command(None, sys.argv[1])
print(*{part for name in sys.modules for part in (name, name.partition(".")[0])})
"""


@pytest.mark.parametrize(
    ("command", "foreign"),
    [
        ("ivr", PHONE_DOORS_NEED_NONE),
        ("standby", PHONE_DOORS_NEED_NONE),
        ("api", SOUND | FHIR | {"aioari", "ivr"}),
    ],
)
def test_door_does_not_load_the_libraries_of_others(command: str, foreign: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, command], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"desk", "ops"} <= loaded
    assert not loaded & foreign


def test_library_that_was_left_out_can_be_loaded_afterwards() -> None:
    with without("rich"), pytest.raises(ImportError):
        import_module("rich")
    assert import_module("rich").__name__ == "rich"


def test_module_that_was_empty_can_be_loaded_afterwards() -> None:
    loaded = "from ops.commands.lean import with_empty\n"
    loaded += "with with_empty('sqlalchemy.ext.asyncio.scoping', 'sqlalchemy.ext.asyncio.session'):\n"
    loaded += "    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine\n"
    loaded += "assert AsyncSession is None and create_async_engine\n"
    loaded += "from sqlalchemy.ext.asyncio.session import AsyncSession\nprint(AsyncSession.__name__)\n"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "AsyncSession\n"


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(f"\n  {name} " in shown for name in lazy.COMMANDS)


def test_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(app, ["nosuch"])
    assert result.exit_code == 2
    assert "No such command 'nosuch'" in result.output


def test_call_without_the_test_phone_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "_has_test_phone", lambda: False)
    result = CliRunner().invoke(app, ["call", "1000"])
    assert result.exit_code == 2
    assert "The SIP test phone is not part of this installation." in result.output
    assert "│ call " not in CliRunner().invoke(app, ["--help"]).output
