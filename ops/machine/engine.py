"""The Docker engine, through its command line: our containers and images."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
"""As in compose.yaml: nothing to write but what is mounted, no capability, none to be had."""
UNPRIVILEGED = 10001
"""Whom a container's program is where we are root ourselves (the user of app.Dockerfile)."""


class EngineError(Exception):
    """Docker refuses."""


@functools.cache
def answers() -> bool:
    """Whether a Docker engine is there and lets us in."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "version", "-f", "{{.Server.Os}}"], capture_output=True, check=False, timeout=10
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and done.stdout.strip() == b"linux"


def docker(*arguments: str, check: bool = True) -> str:
    """What `docker …` prints. Raises EngineError with the line of its complaint."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        reason = next((line for line in lines if "rror" in line), lines[-1])
        raise EngineError(f"docker {arguments[0]} failed: {reason}")
    return done.stdout.strip()


def container_name(what: str, folder: Path) -> str:
    """One name for each folder, so that a container forgotten there is found again."""
    return f"innringing-{what}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def owner() -> tuple[int, int]:
    """User and group of a container's program: we ourselves, but never root."""
    return (os.geteuid(), os.getegid()) if os.geteuid() else (UNPRIVILEGED, UNPRIVILEGED)


def give(*folders: Path) -> None:
    """Let the folders, and all that is in them, be the container's program's. Links are given, not followed."""
    user, group = owner()
    if os.geteuid():
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, group, follow_symlinks=False)


class Container:
    """A container of ours, known by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(
        self,
        image: str,
        command: Sequence[str],
        *,
        scratch: str = "--tmpfs=/tmp",
        folders: Mapping[Path, str] | None = None,
        variables: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        """Run detached on the host's network, with no rights but its files'. `folders`: "ro" or "rw", mounted as here.

        `scratch` is /tmp: memory, or `--volume=/tmp` for what is large or must reach a disk.
        """
        self.remove()
        mounts = [f"--volume={path}:{path}:{mode}" for path, mode in (folders or {}).items()]
        environment = [f"--env={name}={value}" for name, value in (variables or {}).items()]
        owned = user or ":".join(map(str, owner()))
        options = [
            "--detach",
            f"--name={self.name}",
            "--network=host",
            f"--user={owned}",
            *HARDENED,
            scratch,
        ]
        try:
            docker("run", *options, *mounts, *environment, image, *command)
        except EngineError:
            self.remove()  # made, but not startable
            raise

    def pid(self) -> int:
        return int(docker("inspect", "-f", "{{.State.Pid}}", self.name))

    def running(self) -> bool:
        return docker("inspect", "-f", "{{.State.Running}}", self.name, check=False) == "true"

    def signal(self, name: str) -> None:
        docker("kill", "--signal", name, self.name, check=False)

    def inside(self) -> list[str]:
        """The start of a command line that runs in the container."""
        return ["docker", "exec", self.name]

    def logs(self) -> str:
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)
