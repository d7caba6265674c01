"""Our containers and images, managed with Docker's command line."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
"""As in compose.yaml: a read-only file system except for mounts, no capabilities, and no way to gain any."""
UNPRIVILEGED = 10001
"""The user in containers when we run as root, as in app.Dockerfile."""


class EngineError(Exception):
    """A Docker command failed."""


@functools.cache
def answers() -> bool:
    """Whether a Docker engine responds and we may use it."""
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
    """Run `docker …` and return its output. Raises EngineError with its error line."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        reason = next((line for line in lines if "rror" in line), lines[-1])
        raise EngineError(f"docker {arguments[0]} failed: {reason}")
    return done.stdout.strip()


def container_name(what: str, folder: Path) -> str:
    """Return a name that is unique for the folder, so that a leftover container of that folder can be found."""
    return f"innringing-{what}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def owner() -> tuple[int, int]:
    """Return the user and group for containers: our own, but never root."""
    return (os.geteuid(), os.getegid()) if os.geteuid() else (UNPRIVILEGED, UNPRIVILEGED)


def give(*folders: Path) -> None:
    """Make the container's user the owner of the folders and their content. Links are not followed."""
    user, group = owner()
    if os.geteuid():
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, group, follow_symlinks=False)


class Container:
    """One of our containers, identified by its name."""

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
        """Run detached on the host's network, without privileges. `folders` are mounted at the same path, "ro" or "rw".

        `scratch` is /tmp: memory by default, or `--volume=/tmp` for large or durable files.
        """
        self.remove()
        mounts = [f"--volume={path}:{path}:{mode}" for path, mode in (folders or {}).items()]
        environment = [f"--env={name}={value}" for name, value in (variables or {}).items()]
        run_as = user or ":".join(map(str, owner()))
        options = [
            "--detach",
            f"--name={self.name}",
            "--network=host",
            f"--user={run_as}",
            *HARDENED,
            scratch,
        ]
        try:
            docker("run", *options, *mounts, *environment, image, *command)
        except EngineError:
            self.remove()  # it was created, but could not start
            raise

    def pid(self) -> int:
        return int(docker("inspect", "-f", "{{.State.Pid}}", self.name))

    def running(self) -> bool:
        return docker("inspect", "-f", "{{.State.Running}}", self.name, check=False) == "true"

    def signal(self, name: str) -> None:
        docker("kill", "--signal", name, self.name, check=False)

    def inside(self) -> list[str]:
        """Return the start of a command line that runs in the container."""
        return ["docker", "exec", self.name]

    def logs(self) -> str:
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)
