"""Secrets that are not in the environment itself: those in files, and those the demo creates for itself."""

import base64
import os
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path

from desk.errors import SettingsError
from desk.settings.group import PREFIX
from desk.vault.keys import KEY_BYTES, read_secret

KEYS_FILE = "keys.env"
DEMO_SECRETS = ("ari_password", "identity_key", "index_key")


def secrets_in_files(names: Iterable[str], excluding: Collection[str]) -> dict[str, str]:
    """Read the secrets that are in files, as `INNRINGING_IDENTITY_KEY_FILE` names them.

    Raises SettingsError: a file can't be read, or the variable itself is set too.
    """
    found = {}
    for name in names:
        variable = PREFIX + name.upper()
        file = os.environ.get(f"{variable}_FILE")
        if not file or name in excluding:
            continue
        if os.environ.get(variable):
            raise SettingsError(f"{variable} and {variable}_FILE are both set: keep one.")
        try:
            found[name] = read_secret(Path(file))
        except ValueError as fault:
            raise SettingsError(f"{variable}_FILE: {fault}") from None
    return found


def demo_secrets(var: Path, names: Iterable[str]) -> dict[str, str]:
    """Read the demo's own secrets from var/keys.env, which is created (mode 0600) if it is missing."""
    file = var / KEYS_FILE
    try:
        if not file.exists():
            _create(file)
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SettingsError(f"{PREFIX}VAR_DIR: can't keep the demo's keys in {file}: {reason}") from None
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    try:
        return {name: values[PREFIX + name.upper()] for name in names}
    except KeyError as name:
        raise SettingsError(f"{name.args[0]} is missing from {file}: add it, or delete the file and var/") from None


def _create(file: Path) -> None:
    """Write the secrets in one step, so that two processes starting at once read the same ones."""
    file.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "ARI_PASSWORD": secrets.token_urlsafe(24),
        "IDENTITY_KEY": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        "INDEX_KEY": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
    }
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as out:
            out.writelines(f"{PREFIX}{name}={value}\n" for name, value in values.items())
        os.link(draft, file)
    except FileExistsError:
        return  # another process was first: its secrets are used
    finally:
        draft.unlink()
