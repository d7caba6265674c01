"""The agent of the demo environment: `demo`, all departments, with its token and password in var/."""

import asyncio
import os
import secrets
from contextlib import suppress
from pathlib import Path

from desk.access.actor import SYSTEM
from desk.access.permissions import ALL_DEPARTMENTS, Role
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentNameTaken, AgentNotFound
from desk.accounts.login import Logins

NAME = "demo"
PHONE = "demo-phone"
TOKEN_FILE = "demo-token"
PASSWORD_FILE = "demo-password"
TRIES = 5


async def ensure_demo_agent(agents: Agents, var_dir: Path) -> Path:
    """Create the agent unless its stored token is still valid. Return the token's file (mode 0600)."""
    file = var_dir / TOKEN_FILE
    for _ in range(TRIES):
        if file.exists() and await agents.verify(file.read_text().strip()) is not None:
            file.chmod(0o600)
            break
        with suppress(AgentNotFound):
            await agents.revoke(SYSTEM, NAME)
        try:
            _write_private(file, await agents.add(SYSTEM, NAME, Role.AGENT, [ALL_DEPARTMENTS], phone=PHONE))
            break
        except AgentNameTaken:  # another api is starting too: use its token
            await asyncio.sleep(0.2)
    return file


async def ensure_demo_password(logins: Logins, var_dir: Path) -> Path:
    """Set a password for the agent unless its file is there. Return the file (mode 0600)."""
    file = var_dir / PASSWORD_FILE
    if not (file.exists() and await logins.has_password(NAME)):
        password = secrets.token_urlsafe(12)
        await logins.set_password(NAME, password)
        _write_private(file, password)
    return file


def _write_private(file: Path, token: str) -> None:
    """Write a file that no one else can read at any moment: create it with mode 0600, then rename it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(token + "\n")
    beside.replace(file)
