"""`make up` and `make down`: start and stop the services of compose.yaml, with their folders and secrets."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import typer
from pydantic import SecretStr
from rich.console import Console

from desk.connections.standby import standby_answers
from desk.departments.file import load_departments
from desk.errors import DeskError
from desk.files.faults import FileFault
from desk.paths import ROOT
from desk.settings.settings import Settings, names, secret_names
from ivr.prompts.catalogue import PromptsError
from ivr.prompts.own_recordings import make_folders
from ops.commands.dialplan.candidate import FilesRefused, files_for_start
from ops.commands.prompts import build_with_progress
from ops.commands.reload import expected_of, still_lacking
from ops.commands.terminal import show
from ops.machine import app_image, asterisk, container_secrets, engine, images, instance, tree
from ops.machine.apt import AptError
from ops.machine.asterisk_edition import start_edition
from ops.machine.demo_parts import demo_parts
from ops.machine.going_live import switchboard_faults, trial_settings
from ops.machine.in_use import AlreadyRunning, only_one_in
from ops.machine.ready import doors_are_open, lacking
from ops.machine.running import find_in
from ops.messages.translation import translated

READY_LIMIT = 120.0
VARIABLES = "variables.json"
"""The file with the variables of compose.yaml, as of the last `up`."""
OWNER_ROLE, APP_ROLE = "innringing", "innringing_app"
"""The database roles that own the tables and run the service. docker/postgres-start creates them."""
APP_SERVICES = ("api", "ivr", "standby", "migrate", "prune")
"""The services that read our settings."""

SERVICES = ("asterisk", "standby", "ivr", "api")
"""The services of a machine that has its database elsewhere."""

NOT_FOR_CONTAINERS = frozenset(
    {
        *("runner", "var_dir", "sip_host", "rtp_ports", "trunk"),  # for Asterisk, which is prepared here
        *("switchboard", "sip_proxy", "sip_proxy_mark", "sip_public_address", "sip_local_networks"),
        *("trunk_user", "trunk_password", "trunk_register", "trunk_from_domain", "trunk_qualify"),
        *("sip_encryption", "sip_tls_port", "sip_tls_cert_file", "sip_tls_key_file", "sip_tls_ca_file"),
        *("prompts_dir", "ari_url", "draft_voices"),  # mounted, so the default is right
        *("ari_reader", "ari_reader_password"),  # only for the api
    }
)
"""Settings that are not passed to ivr and api. All others are passed, or refused by `make up`."""
FILE_OF_THIS_MACHINE = "no container sees that file: remove the setting"
REFUSED = {
    "tls_cert_file": "a proxy handles TLS for the containers: remove the setting (docs/network.md#proxies)",
    "departments_file": "the containers read dialplan/departments.toml: remove the setting",
    "access_file": "the containers read dialplan/access.toml: remove the setting",
}
"""Settings that the containers would silently ignore."""


class ComposeError(Exception):
    """The services cannot be started."""


def up(settings: Settings) -> None:
    """Build what is missing, start all services, and wait until they are ready."""
    _check_what_fits(settings)
    folder = _folder(settings)
    departments = load_departments(settings.files.departments)
    for fault in [] if settings.demo else demo_parts(settings.files.departments, instance.DIALPLAN, root=ROOT):
        if not fault.note:
            raise ComposeError(str(fault))
    compose = compose_program()
    images.ensure(images.ASTERISK)
    if not _shares_database(settings):
        images.ensure(images.POSTGRES)
    app_image.build()
    build_with_progress(
        settings.files.prompts,
        tools=tree.ensure(tree.ASTERISK) / "bin",
        console=Console(),
        departments_file=settings.files.departments,
    )
    engine.give(*make_folders(settings.files.prompts))  # the console's recordings
    settings = _with_reader(settings, folder)
    dialplan = files_for_start(settings, folder / "asterisk", say=lambda line: show(f"innringing: {line}"))
    made = instance.prepare(settings, folder / "asterisk", Path("/"), dialplan=dialplan, memory=None)
    engine.give(made.folder, made.run)
    variables = _variables(settings, folder, made)
    _write_secrets(settings, folder, variables)
    _write_private(folder / VARIABLES, json.dumps(variables))
    going_on = _read_again(folder)
    alone: list[str] = []
    if _shares_database(settings):
        alone = ["--no-deps"]
        _run(compose, ["run", "--rm", *alone, "migrate"], folder, variables)
    if going_on:
        _renew_standby(settings, compose, folder, variables, alone)
    _run(compose, ["up", "-d", *alone, *(SERVICES if alone else ())], folder, variables)
    _wait_until_open(settings)
    _check_in_force(settings, folder, dialplan)
    for reason in lacking(settings):
        show(f"innringing: not ready: {reason}")
    for fault in [] if settings.demo else _for_patients(settings, made):
        show(f"innringing: not for patients yet: {fault}")
    extension, port = departments.all()[0].extension, settings.sip.port
    show(f"Innringing is up. Call sip:{extension}@127.0.0.1:{port}, or open")
    show(f"http://{settings.api.host}:{settings.api.port}/api/docs. `make down` stops it and keeps the database.")


def _for_patients(settings: Settings, made: instance.Instance) -> list[FileFault]:
    own = made.folder / "etc" / "local" / instance.OWN
    return [*switchboard_faults(settings, instance.DIALPLAN, own=own, root=ROOT), *trial_settings(settings)]


def down(settings: Settings) -> None:
    """Stop and remove the containers. The database stays in its volume."""
    folder = _folder(settings)
    _run(compose_program(), ["down"], folder, _variables_in_force(folder))


def prune(settings: Settings) -> None:
    """Delete expired rows of the audit as the owner of the tables, since the service's role may not."""
    folder = _folder(settings)
    alone = ["--no-deps"] if _shares_database(settings) else []
    _run(compose_program(), ["run", "--rm", *alone, "prune"], folder, _variables_in_force(folder))


def _shares_database(settings: Settings) -> bool:
    """Whether this is one of several machines with one PostgreSQL, which is then elsewhere."""
    return "database_url" in settings.names_set()


def _renew_standby(
    settings: Settings, compose: list[str], folder: Path, variables: Mapping[str, str], alone: list[str]
) -> None:
    """Start the standby again if it changed, and wait for it: it takes the callers while the phone door starts again.

    Raises ComposeError if it does not answer. The phone door is then untouched.
    """
    _run(compose, ["up", "-d", *alone, "standby"], folder, variables)
    if not _within(READY_LIMIT, lambda: _has_standby(settings)):
        raise ComposeError("the standby is not ready, so the phone door was left as it is; see: docker ps, docker logs")


def _read_again(folder: Path) -> bool:
    """Have the running Asterisk read its files, which ends no call, or write that its container must start again.

    Returns whether it is running and goes on.
    """
    noted, edition = folder / "asterisk.env", f"CONFIGURATION_EDITION={start_edition(folder / 'asterisk')}\n"
    known = noted.read_text("ascii") if noted.exists() else ""
    _write_private(noted, edition)
    running = find_in(folder / "asterisk")
    if running is None:
        return False
    if known == edition:
        running.console("core reload")
        return True
    show("Asterisk has to start again to have its new settings: calls in progress end.")
    return False


def _wait_until_open(settings: Settings) -> None:
    if not _within(READY_LIMIT, lambda: doors_are_open(settings) and _has_standby(settings)):
        raise ComposeError("the services are not ready; see: docker ps, docker logs")


def _has_standby(settings: Settings) -> bool:
    return asyncio.run(standby_answers(settings.standby.host, settings.standby.port))


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Wait until something holds. False if it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def _check_in_force(settings: Settings, folder: Path, dialplan: Path | None) -> None:
    """Raise ComposeError if Asterisk does not have what the files in `dialplan` say. None: it has older ones."""
    running = find_in(folder / "asterisk")
    if running is None:
        raise ComposeError("Asterisk does not respond; see: docker ps, docker logs")
    if dialplan is not None and (missing := still_lacking(running, expected_of(settings, running, dialplan))):
        raise ComposeError("; ".join(missing))


def _folder(settings: Settings) -> Path:
    folder = settings.files.var / "compose"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_what_fits(settings: Settings) -> None:
    """Raise ComposeError for a setting that the containers cannot follow."""
    values = settings.values()
    if _shares_database(settings) != ("migration_url" in settings.names_set()):
        raise ComposeError("INNRINGING_DATABASE_URL and INNRINGING_MIGRATION_URL: set both, or neither")
    for name in sorted(settings.names_set() - NOT_FOR_CONTAINERS):
        value = values[name]
        reason = REFUSED.get(name) or (FILE_OF_THIS_MACHINE if isinstance(value, Path) else "")
        if value and reason:
            raise ComposeError(f"INNRINGING_{name.upper()} is set, but {reason}")


def compose_program() -> list[str]:
    """Return the command line of Compose. Raises ComposeError where there is none."""
    if not engine.answers():
        raise ComposeError("no Docker engine responds")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise ComposeError("neither `docker compose` nor docker-compose is installed")


def _variables(settings: Settings, folder: Path, made: instance.Instance) -> dict[str, str]:
    user, group = engine.owner()
    return {
        "INNRINGING_CHECKOUT": str(ROOT),
        "INNRINGING_COMPOSE": str(folder),
        "INNRINGING_RUN": str(made.run),
        "INNRINGING_RECORDINGS": str(made.recordings),
        "INNRINGING_MEMORY_OPTIONS": f"mode=0700,uid={user},gid={group}",
        "INNRINGING_PROMPTS": str(settings.files.prompts),
        "INNRINGING_USER": f"{user}:{group}",
        "INNRINGING_API_PORT": str(settings.api.port),
        "INNRINGING_POSTGRES_PORT": os.environ.get("INNRINGING_POSTGRES_PORT", "5432"),
    }


def _variables_in_force(folder: Path) -> dict[str, str]:
    """Return what the services were started with, whatever the settings are now."""
    try:
        variables: dict[str, str] = json.loads((folder / VARIABLES).read_text("utf-8"))
    except FileNotFoundError:
        raise ComposeError("nothing was started from here") from None
    return variables


def _with_reader(settings: Settings, folder: Path) -> Settings:
    """Add a password for the read-only ARI user. The web door gets no other ARI password."""
    if settings.ari.reader_password is not None:
        return settings
    password = SecretStr(_stored_password(folder / "ari-reader-password"))
    return settings.changed(ari_reader_password=password)


def _write_secrets(settings: Settings, folder: Path, variables: Mapping[str, str]) -> None:
    """Write each service's variables and secrets, and the folder that ivr and api share."""
    owner, app = (_stored_password(folder / name) for name in ("postgres-password", "postgres-app-password"))
    place = f"127.0.0.1:{variables['INNRINGING_POSTGRES_PORT']}/innringing"
    used = f"postgresql+asyncpg://{APP_ROLE}:{app}@{place}", f"postgresql+asyncpg://{OWNER_ROLE}:{owner}@{place}"
    if _shares_database(settings):
        used = settings.database.url, settings.database.owner_url
    given = _service_variables(settings, used[0])
    reader = settings.ari.reader_password
    secret = {name.upper(): given.get(name.upper(), "") for name in secret_names()} | {
        "MIGRATION_URL": used[1],
        "ARI_READER_PASSWORD": reader.get_secret_value() if reader else "",
        container_secrets.OWNER_PASSWORD: owner,
        container_secrets.APP_PASSWORD: app,
    }
    given["ARI_READER"] = settings.ari.reader
    for service, edition in container_secrets.write(folder / "secrets", secret).items():
        own = container_secrets.variables_of(service, given, secret) if service in APP_SERVICES else {}
        _write_private(folder / f"{service}.env", f"SECRETS_EDITION={edition}\n{_lines(own)}")
    (folder / "service").mkdir(mode=0o700, exist_ok=True)
    engine.give(folder / "service")


def _service_variables(settings: Settings, database: str) -> dict[str, str]:
    """Return the settings of ivr and api, by name without INNRINGING_. `database`: its address."""
    values = settings.values()
    given = {name.upper(): _written(values[name]) for name in sorted(names() - NOT_FOR_CONTAINERS - REFUSED.keys())}
    return {**given, "DATABASE_URL": database}


def _written(value: object) -> str:
    """Format a value for the environment: secrets in clear text, and nothing for None."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)


def _lines(variables: Mapping[str, str]) -> str:
    """Format a file of variables, one per line. Multi-line values, such as keys, are joined."""
    return "".join(f"INNRINGING_{name}={' '.join(value.splitlines())}\n" for name, value in variables.items() if value)


def _stored_password(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="ascii")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


def project_of(folder: Path) -> str:
    """Return Compose's name for the services whose files are in `folder`."""
    return f"innringing-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"


def _run(compose: list[str], action: list[str], folder: Path, variables: Mapping[str, str]) -> None:
    run_compose(compose, action, ROOT / "docker" / "compose.yaml", project_of(folder), variables)


def run_compose(compose: list[str], action: list[str], file: Path, project: str, variables: Mapping[str, str]) -> None:
    """Run an action of Compose. Raises ComposeError if it fails."""
    command = [*compose, "-p", project, "-f", str(file), *action]
    if subprocess.run(command, env={**os.environ, **variables}, check=False).returncode:
        raise ComposeError(f"{' '.join(compose)} {action[0]} failed; its reason is above")


if __name__ == "__main__":
    try:
        settings = Settings.load()
        with only_one_in(settings.files.var):
            {"up": up, "down": down, "prune": prune}[sys.argv[1]](settings)
    except (
        AlreadyRunning,
        ComposeError,
        FilesRefused,
        PromptsError,
        DeskError,
        asterisk.AsteriskError,
        engine.EngineError,
        AptError,
    ) as error:
        sys.exit(translated(f"innringing: {error}"))
    except typer.Exit as ended:  # the reason was printed
        sys.exit(ended.exit_code)
