"""The secrets of each container, as files that no other container sees. compose.yaml mounts their folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from secrets import token_hex

OWNER_PASSWORD, APP_PASSWORD = "owner_password", "app_password"
KEYS = ("IDENTITY_KEY", "INDEX_KEY")
SECRETS_OF: Mapping[str, frozenset[str]] = {
    "api": frozenset(
        {
            *("DATABASE_URL", *KEYS, "ARI_READER_PASSWORD", "SMS_PASSWORD", "SMS_REPORT_SECRET"),
            *("OIDC_CLIENT_SECRET", "OIDC_CLIENT_KEY"),
        }
    ),
    "ivr": frozenset({"DATABASE_URL", *KEYS, "ARI_PASSWORD"}),
    "standby": frozenset({"DATABASE_URL", *KEYS, "ARI_PASSWORD"}),
    "migrate": frozenset({"MIGRATION_URL"}),
    "prune": frozenset({"MIGRATION_URL", *KEYS}),  # it writes to the audit chain, which needs the keys
    "postgres": frozenset({OWNER_PASSWORD, APP_PASSWORD}),
}
"""By service, as setting names without INNRINGING_, except for PostgreSQL. Asterisk's secrets are in its own folder."""
INSIDE = "/run/secrets"
NOT_FOR = {
    "ivr": ("SMS_", "OIDC_"),
    "standby": ("SMS_", "OIDC_"),
    "migrate": ("SMS_", "OIDC_"),
    "prune": ("SMS_", "OIDC_"),
}
"""Prefixes of settings that are useless without their secret."""


def write(folder: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """Write the secrets of each service to `<service>/` under `folder`.

    `secrets` has all values in clear text, by name without INNRINGING_; empty ones are not set. Returns an edition for
    each service, which changes with its secrets. As a variable of the container it makes Docker restart the container,
    which changed files alone do not.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    return {service: _write(folder / service, names, secrets) for service, names in SECRETS_OF.items()}


def _write(own: Path, names: Iterable[str], secrets: Mapping[str, str]) -> str:
    """Write one service's files. They are readable for the container's user; only the parent folder is closed."""
    own.mkdir(exist_ok=True)  # keep the folder: a running container has it mounted
    own.chmod(0o755)
    wanted = {name.lower(): secrets[name] for name in names if secrets.get(name)}
    kept = {path.name: path.read_text("utf-8") for path in own.iterdir()}
    edition = own.with_name(f"{own.name}.edition")
    if kept == wanted and edition.exists():
        return edition.read_text("ascii")
    for path in own.iterdir():
        path.unlink()
    for name, value in wanted.items():
        (own / name).write_text(value, encoding="utf-8")
        (own / name).chmod(0o444)
    edition.write_text(token_hex(8), encoding="ascii")
    return edition.read_text("ascii")


def variables_of(service: str, variables: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a service, by name without INNRINGING_. A secret is replaced by the path of its file."""
    plain = {
        name: value
        for name, value in variables.items()
        if name not in secrets and not name.startswith(NOT_FOR.get(service, ()))
    }
    if "DATABASE_URL" not in SECRETS_OF[service]:  # it needs the service's role, but not the password
        plain["DATABASE_URL"] = re.sub(r"(://[^:@/]+):[^@/]*@", r"\1@", variables["DATABASE_URL"])
    if service in ("ivr", "standby") and variables.get("SMS_GATEWAY") not in (None, "", "off"):
        plain["SMS_GATEWAY"] = "elsewhere"  # it only queues messages; the api has the password and sends them
    files = {f"{name}_FILE": f"{INSIDE}/{name.lower()}" for name in SECRETS_OF[service] if secrets.get(name)}
    return plain | files
