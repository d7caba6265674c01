"""PgBouncer in front of a test's PostgreSQL, from Debian's package in a folder."""

import os
import pwd
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ops.machine import tree
from tests.support.ports import free_port

START_SECONDS = 20.0


@contextmanager
def pgbouncer(url: str, mode: Literal["session", "transaction"], *, servers: int = 60) -> Iterator[str]:
    """Start it with Debian's defaults but for the mode and the number of sessions. Yields the URL through it."""
    behind, port = urlsplit(url), free_port(socket.SOCK_STREAM)
    with tempfile.TemporaryDirectory(prefix="innringing-pgbouncer-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host={behind.hostname} port={behind.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = {servers}\n",
            "utf-8",
        )
        log = folder / "log"
        with log.open("wb") as out:
            child = subprocess.Popen(
                [tree.ensure(tree.PGBOUNCER) / "bin" / "pgbouncer", configuration],
                stdout=out,
                stderr=out,
                user=pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None,
            )
        try:
            end = time.monotonic() + START_SECONDS
            while not _answers(port):
                assert child.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield url.replace(f":{behind.port}/", f":{port}/")
        finally:
            child.terminate()
            child.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0
