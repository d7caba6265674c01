"""End the processes and containers that a test process started, when that process is gone.

Run as a script by tests/support/machine/reaping.py, with the name and the value of a mark, and the seconds that a
process has to end by itself. Standard input is a pipe that only the test process holds: it closes however that process
ends. Each line on it is a folder; containers that mount something below it belong to the test process. Processes are
found by the mark in their environment.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

POSTGRES_FOLDER = "innringing-postgres-"
"""The start of the name of a PostgreSQL server's folder, which is also where its processes run."""


def main() -> None:
    mark, owner = f"{sys.argv[1]}={sys.argv[2]}".encode(), sys.argv[2].partition("-")[0]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folders = [Path(line.rstrip("\n")) for line in sys.stdin]  # until the test process is gone
    data = end_processes(mark, polite_seconds=float(sys.argv[3]))
    remove_containers(owner, folders)
    for folder in data:
        shutil.rmtree(folder, ignore_errors=True)


def end_processes(mark: bytes, polite_seconds: float) -> set[Path]:
    """Ask politely, then kill; again, until no marked process is left. Returns the folders of PostgreSQL servers."""
    data: set[Path] = set()
    asked: set[int] = set()
    end = time.monotonic() + polite_seconds
    while found := marked(mark):
        for pid in found:
            folder = postgres_folder(pid)
            data |= {folder} if folder else set()
            if time.monotonic() > end:
                send(pid, signal.SIGKILL)
            elif pid not in asked:
                asked.add(pid)
                send(pid, signal.SIGINT if folder else signal.SIGTERM)  # PostgreSQL's SIGTERM waits for its clients
        time.sleep(0.05)
    return data


def marked(mark: bytes) -> list[int]:
    """Running processes that have the mark in their environment."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):  # empty for a process that has ended and waits for its parent
                    found.append(int(entry.name))
        except OSError:
            continue
    return found


def postgres_folder(pid: int) -> Path | None:
    try:
        folder = Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None
    return next((each for each in (folder, folder.parent) if each.name.startswith(POSTGRES_FOLDER)), None)


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def remove_containers(owner: str, folders: list[Path]) -> None:
    """Those that mount something below `folders`, and the PostgreSQL servers named after the test process."""
    if shutil.which("docker") is None:
        return
    form = "{{.Name}}{{range .Mounts}}\t{{.Source}}{{end}}"
    for name in docker("ps", "--all", "--quiet", "--filter", "name=^innringing-"):
        for line in docker("inspect", "--format", form, name):
            title, *mounts = line.lstrip("/").split("\t")
            below = any(Path(mount).is_relative_to(folder) for mount in mounts for folder in folders)
            if below or title.startswith(f"{POSTGRES_FOLDER}{owner}-"):
                docker("rm", "--force", "--volumes", title)


def docker(*arguments: str) -> list[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


if __name__ == "__main__":
    main()
