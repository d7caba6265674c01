"""Dump and load a PostgreSQL database with its own programs. The password is in their environment, never in a list."""

import asyncio
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from desk.errors import DeskError
from desk.settings.child_environment import child_environment
from ops.backup.errors import BackupFailed, CopyDamaged, RestoreRefused
from ops.backup.files import private

PROGRAMS: Final = Path("/usr/lib/postgresql")
TLS: Final = {"ssl": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
NO_OWNER: Final = ("--no-owner", "--no-privileges")


async def dump(url: str, target: Path, snapshot: str) -> None:
    """Dump one moment of the database into a file, in pg_dump's custom format. Raises BackupFailed."""
    with private(target) as out:
        await _run("pg_dump", url, ["--format=custom", *NO_OWNER, f"--snapshot={snapshot}"], BackupFailed, out=out)


async def load(url: str, source: Path, refused: type[DeskError] = RestoreRefused) -> None:
    """Load a dump into an empty database: all of it or nothing. Raises `refused`."""
    options = ["--single-transaction", "--exit-on-error", *NO_OWNER, f"--dbname={_database(url)}"]
    with source.open("rb") as content:
        await _run("pg_restore", url, options, refused, into=content)


@asynccontextmanager
async def scratch(url: str) -> AsyncIterator[str]:
    """Make an empty database beside the one at `url`, and remove it at the end. Raises CopyDamaged."""
    name = f"innringing_check_{secrets.token_hex(6)}"
    await _run("createdb", url, ["--template=template0", name], CopyDamaged)
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        await _run("dropdb", url, ["--force", name], CopyDamaged)


async def _run(
    program: str,
    url: str,
    options: list[str],
    failed: type[DeskError],
    *,
    into: BinaryIO | None = None,
    out: BinaryIO | None = None,
) -> None:
    process = await asyncio.create_subprocess_exec(
        _program(program, failed),
        *options,
        stdin=into or asyncio.subprocess.DEVNULL,
        stdout=out or asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=child_environment(**environment(url)),
    )
    _, said = await process.communicate()
    if process.returncode:
        first = said.decode(errors="replace").strip().partition("\n")[0]
        raise failed(f"{re.sub(r'://[^@ ]*@', '://', first)}")


def _program(name: str, failed: type[DeskError]) -> str:
    """Find a program of PostgreSQL's: on the path, or the newest that Debian has installed."""
    installed = sorted(PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = shutil.which(name) or (str(installed[-1]) if installed else None)
    if found is None:
        raise failed(f"{name} is not installed here: apt install postgresql-client")
    return found


def environment(url: str) -> dict[str, str]:
    """Return the address as libpq's variables, which all of PostgreSQL's programs read."""
    address = urlsplit(url)
    query = dict(parse_qsl(address.query))
    given = {
        "PGHOST": address.hostname or query.get("host"),
        "PGPORT": str(address.port) if address.port else query.get("port"),
        "PGUSER": unquote(address.username) if address.username else query.get("user"),
        "PGPASSWORD": unquote(address.password) if address.password else query.get("password"),
        "PGDATABASE": _database(url),
        **{variable: query.get(name) for name, variable in TLS.items()},
    }
    return {name: value for name, value in given.items() if value}


def _database(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))
