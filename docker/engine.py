"""The Docker engine, through its command line: our containers and images."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


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


class Container:
    """A container of ours, known by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(
        self,
        image: str,
        command: Sequence[str],
        *,
        folders: Mapping[Path, str] | None = None,
        variables: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        """Run detached on the host's network. `folders` are mounted where they are here, "ro" or "rw"."""
        self.remove()
        mounts = [f"--volume={path}:{path}:{mode}" for path, mode in (folders or {}).items()]
        environment = [f"--env={name}={value}" for name, value in (variables or {}).items()]
        owner = user or f"{os.geteuid()}:{os.getegid()}"
        options = [
            "--detach",
            f"--name={self.name}",
            "--network=host",
            f"--user={owner}",
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
