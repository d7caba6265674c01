"""Start a PostgreSQL for the tests: from the machine's own programs, in a container, or from the tree."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self

from desk.settings.child_environment import child_environment
from ops.machine import engine, images, tree

VARIABLE = "INNRINGING_POSTGRES"
START_LIMIT = 60.0
NOBODY = 65534
READY = "database system is ready to accept connections"

Kind = Literal["local", "container", "tree"]
QUICK = {  # for tests only: a crash of the machine may lose data
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",  # the data may be in memory
}
MEMORY, PLENTY = Path("/dev/shm"), 4 << 30
"""A file system in memory, and the free bytes in it from which test servers have their data there: each test makes a
database of hundreds of files, and removes it."""
SETTINGS = {
    "max_connections": "200",
    "timezone": "UTC",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}


ACCESS = """\
hostssl all postgres 127.0.0.1/32 trust
hostssl all all      127.0.0.1/32 cert
"""
"""pg_hba.conf with TLS: only encrypted connections. Every role but the superuser needs a certificate with its name."""


@dataclass(frozen=True)
class ServerTls:
    """PEM files: the server's certificate and key, and the authority that issues the certificates of roles."""

    certificate: Path
    key: Path
    authority: Path

    def files(self) -> dict[str, bytes]:
        """Return the content of the server's files, by name in the data folder."""
        given = {"server.crt": self.certificate, "server.key": self.key, "root.crt": self.authority}
        return {"pg_hba.conf": ACCESS.encode()} | {name: path.read_bytes() for name, path in given.items()}


TLS_SETTINGS = {
    "ssl": "on",
    "ssl_cert_file": "server.crt",
    "ssl_key_file": "server.key",
    "ssl_ca_file": "root.crt",
}


class PostgresError(Exception):
    """PostgreSQL can't be started."""


class _PostgresServer(Protocol):
    def alive(self) -> bool: ...
    def ready(self) -> bool: ...
    def stop(self) -> None: ...
    def last_words(self) -> str: ...
    def log(self) -> bytes: ...
    def program(self, name: str) -> list[str | Path]: ...


@dataclass
class Postgres:
    """A running PostgreSQL, with the superuser `postgres` and no password, for this machine only."""

    kind: Kind
    port: int
    server: _PostgresServer

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        self.server.stop()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the server like a crash, or with another signal. Its data stay. Not for a container."""
        if not isinstance(self.server, _ProcessServer):
            raise PostgresError("a server in a container can't be restarted")
        self.server.kill(number)

    def restart(self) -> None:
        """Start it again after `kill`, on the same data and port, and wait until it answers. Raises PostgresError."""
        if not isinstance(self.server, _ProcessServer):
            raise PostgresError("a server in a container can't be restarted")
        self.server.launch()
        _wait_until_ready(self.server, self.kind, self.port)

    def log(self) -> bytes:
        """Return the log so far."""
        return self.server.log()

    def dump(self, database: str) -> bytes:
        """Dump one database as an operator does: pg_dump in plain text. Raises PostgresError."""
        command = [*self.server.program("pg_dump"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", database]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise PostgresError(f"pg_dump failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(kind: Kind | None = None, *, durable: bool = False, tls: ServerTls | None = None) -> Postgres:
    """Start a server on a free port. With `durable` each commit waits for the disk. With `tls` it requires TLS.

    Raises PostgresError with one line.
    """
    kind = kind or choose()
    port = _free_port()
    server: _PostgresServer
    options, files = _options(port, durable, tls is not None), tls.files() if tls else {}
    if kind == "container":
        server = _ContainerServer(options, port, files)
    else:
        programs = local_programs() if kind == "local" else tree.ensure(tree.POSTGRES) / "usr/lib/postgresql/17/bin"
        if programs is None:
            raise PostgresError("no PostgreSQL server programs (initdb, postgres) on this machine")
        server = _ProcessServer(programs, options, files, within=None if durable else _memory())
    _wait_until_ready(server, kind, port)
    return Postgres(kind, port, server)


def _wait_until_ready(server: _PostgresServer, kind: Kind, port: int) -> None:
    end = time.monotonic() + START_LIMIT
    while not (_listens(port) and server.ready()):
        if not server.alive() or time.monotonic() > end:
            words = server.last_words()
            server.stop()
            raise PostgresError(f"PostgreSQL ({kind}) did not start: {words}")
        time.sleep(0.05)


def choose(environment: Mapping[str, str] = os.environ) -> Kind:
    asked = environment.get(VARIABLE, "auto")
    match asked:
        case "local" | "container" | "tree":
            return asked
        case "auto":
            if local_programs() is not None:
                return "local"
            return "container" if engine.answers() else "tree"
        case _:
            raise PostgresError(f"{VARIABLE} must be auto, local, container or tree")


def local_programs(roots: Path = Path("/usr/lib/postgresql")) -> Path | None:
    """Find the folder of the newest server programs on this machine."""
    folders = sorted(roots.glob("*/bin"), key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    found = shutil.which("postgres")
    folders += [Path(found).resolve().parent] if found else []
    return next(
        (path for path in reversed(folders) if (path / "initdb").exists() and (path / "postgres").exists()), None
    )


class _ProcessServer:
    """PostgreSQL as a child process. It refuses to run as root, so then it runs as `postgres` or `nobody`."""

    def __init__(
        self, programs: Path, options: list[str], files: Mapping[str, bytes], *, within: Path | None = None
    ) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="innringing-postgres-", dir=within))
        owner = _unprivileged()
        if owner is not None:
            os.chown(self._folder, owner, -1)
        self._log = self._folder / "log"
        data = self._folder / "data"
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*initdb, "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            user=owner,
            cwd=self._folder,
            env=child_environment(LC_ALL="C"),
        )
        if made.returncode:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise PostgresError(f"initdb failed: {(made.stderr.strip() or 'no reason given').splitlines()[-1]}")
        for name, content in files.items():
            _write_private(data / name, content, owner)
        self._command: list[str | Path] = [programs / "postgres", "-D", data, *options]
        self._owner = owner
        self.launch()

    def launch(self) -> None:
        """Start the server on its data."""
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._owner,
                cwd=self._folder,
                env=child_environment(LC_ALL="C"),
                start_new_session=True,
            )

    def kill(self, number: signal.Signals) -> None:
        """Send the server a signal, and wait until it has ended."""
        self._child.send_signal(number)
        self._child.wait()

    def alive(self) -> bool:
        return self._child.poll() is None

    def ready(self) -> bool:
        """Whether start-up is complete: before that it listens, but refuses connections."""
        return READY in self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Stop by a fast shutdown, and delete the data."""
        if self.alive():
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(20)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "no reason given"

    def log(self) -> bytes:
        return self._log.read_bytes()

    def program(self, name: str) -> list[str | Path]:
        """Return the command of another PostgreSQL program. In the tree it needs the tree's own loader."""
        if not (self._programs / "postgres.real").exists():
            return [self._programs / name]
        libraries = tree.libraries_folder(self._programs.parents[4])
        loader = next(path for path in sorted(libraries.glob("ld-linux*.so*")) if path.exists())
        path = ":".join(map(str, tree.library_path(libraries)))
        return [loader, "--library-path", path, self._programs / name]


class _ContainerServer:
    """PostgreSQL in a container, with its data in the container's own layer."""

    def __init__(self, given: list[str], port: int, files: Mapping[str, bytes]) -> None:
        images.ensure(images.POSTGRES)
        self._container = engine.Container(f"innringing-postgres-{os.getpid()}-{port}")
        options = " ".join(f"'{option}'" for option in given)
        script = (
            "umask 077; initdb -D /tmp/data -U postgres -A trust -E UTF8 --locale=C --no-sync > /dev/null"
            + "".join(f" && printenv {_variable(name)} > /tmp/data/{name}" for name in files)
            + f" && exec postgres -D /tmp/data {options}"
        )
        self._container.start(
            images.POSTGRES,
            ["sh", "-c", script],
            user="postgres",
            scratch="--volume=/tmp",
            variables={_variable(name): content.decode() for name, content in files.items()},
        )

    def alive(self) -> bool:
        return self._container.running()

    def ready(self) -> bool:
        return READY in self._container.logs()

    def stop(self) -> None:
        self._container.remove()

    def last_words(self) -> str:
        return (self._container.logs().strip() or "no reason given").splitlines()[-1]

    def log(self) -> bytes:
        return self._container.logs().encode()

    def program(self, name: str) -> list[str | Path]:
        return [*self._container.inside(), name]


def _write_private(path: Path, content: bytes, owner: int | None) -> None:
    """Write a file that only the server can read: it rejects keys that others can read."""
    path.write_bytes(content)
    path.chmod(0o600)
    if owner is not None:
        os.chown(path, owner, -1)


def _variable(file: str) -> str:
    return "FILE_" + "".join(letter if letter.isalnum() else "_" for letter in file)


def _options(port: int, durable: bool, tls: bool) -> list[str]:
    settings = SETTINGS | ({} if durable else QUICK) | (TLS_SETTINGS if tls else {})
    return ["-p", str(port), *(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))]


def _unprivileged() -> int | None:
    """Return the user id for the server when we are root. None otherwise."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return NOBODY


def _memory() -> Path | None:
    """Return the folder in memory, where there is plenty of it."""
    there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > PLENTY
    return MEMORY if there else None


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        trial.settimeout(1)
        return trial.connect_ex(("127.0.0.1", port)) == 0
