"""`make up` and `make down`: the services of compose.yaml, their folders and secrets."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from desk.departments import load_departments
from desk.errors import DeskError
from desk.settings import ROOT, Settings
from docker import app_image, asterisk, engine, images, instance, tree
from docker.apt import AptError
from docker.ready import doors_are_open
from ivr.prompts.cli import build_with_progress

READY_LIMIT = 120.0


class ComposeError(Exception):
    """The services can't be started."""


def up(settings: Settings) -> None:
    """Build what is missing, start everything, wait until calls are taken."""
    folder = _folder(settings)
    load_departments(settings.departments_file)
    compose = _compose()
    images.ensure(images.ASTERISK)
    images.ensure(images.POSTGRES)
    app_image.build()
    build_with_progress(settings.prompts_dir, tools=tree.ensure(tree.ASTERISK) / "bin", console=Console())
    settings = _with_reader(settings, folder)
    made = instance.prepare(settings, folder / "asterisk", Path("/"))
    engine.give(made.folder, made.run, made.recordings)
    variables = _variables(settings, folder, made)
    _write_secrets(settings, folder, variables)
    _run(compose, ["up", "-d"], folder, variables)
    end = time.monotonic() + READY_LIMIT
    while not doors_are_open(settings):
        if time.monotonic() > end:
            raise ComposeError("the services are not ready; see: docker ps, docker logs")
        time.sleep(0.5)
    print(f"Innringing is up: ring sip:1000@127.0.0.1:{settings.sip_port}, look at")
    print(f"http://{settings.api_host}:{settings.api_port}/api/docs. `make down` stops it; the database is kept.")


def down(settings: Settings) -> None:
    """Stop and remove the containers; the database stays in its volume."""
    folder = _folder(settings)
    if not (folder / "service.env").exists():
        raise ComposeError("nothing was started from here")
    made = instance.prepare(settings, folder / "asterisk", Path("/"))
    _run(_compose(), ["down"], folder, _variables(settings, folder, made))


def _folder(settings: Settings) -> Path:
    folder = settings.var_dir / "compose"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _compose() -> list[str]:
    if not engine.answers():
        raise ComposeError("no Docker engine answers")
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
        "INNRINGING_PROMPTS": str(settings.prompts_dir),
        "INNRINGING_USER": f"{user}:{group}",
        "INNRINGING_API_PORT": str(settings.api_port),
        "INNRINGING_POSTGRES_PORT": os.environ.get("INNRINGING_POSTGRES_PORT", "5432"),
        "INNRINGING_POSTGRES_PASSWORD": _kept_password(folder / "postgres-password"),
    }


def _with_reader(settings: Settings, folder: Path) -> Settings:
    """With a password for the user of ARI that may only look: the web door is given no other."""
    if settings.ari_reader_password is not None:
        return settings
    password = SecretStr(_kept_password(folder / "ari-reader-password"))
    return settings.model_copy(update={"ari_reader_password": password})


def _write_secrets(settings: Settings, folder: Path, variables: Mapping[str, str]) -> None:
    """service.env, api.env and the services' own folder, readable by who runs them alone."""
    identity, index = settings.identity_key, settings.index_key
    assert identity is not None and index is not None  # Settings.load() has seen to it
    port, password = variables["INNRINGING_POSTGRES_PORT"], variables["INNRINGING_POSTGRES_PASSWORD"]
    given = {
        "ENVIRONMENT": settings.environment,
        "AGENT_RINGS": str(settings.agent_rings),
        "PATIENT_RINGS": str(settings.patient_rings),
        "DIALS_A_NUMBER_A_DAY": str(settings.dials_a_number_a_day),
        "DIALS_AN_AGENT_A_DAY": str(settings.dials_an_agent_a_day),
        "DATABASE_URL": f"postgresql+asyncpg://innringing:{password}@127.0.0.1:{port}/innringing",
        "ARI_PORT": str(settings.ari_port),
        "ARI_USER": settings.ari_user,
        "ARI_PASSWORD": settings.require_ari_password(),
        "API_HOST": settings.api_host,
        "API_PORT": str(settings.api_port),
        "SIP_PORT": str(settings.sip_port),
        "TRUSTED_PROXIES": settings.trusted_proxies,
        "FORWARDED_HEADER": settings.forwarded_header,
        "ALLOWED_HOSTS": settings.allowed_hosts,
        "API_CONNECTIONS": str(settings.api_connections),
        "RETENTION_DAYS": str(settings.retention_days),
        "RETENTION_AT": settings.retention_at.isoformat(),
        "IDENTITY_KEY": identity.get_secret_value(),
        "INDEX_KEY": index.get_secret_value(),
        "ALLOW_FOREIGN": str(settings.allow_foreign),
        "ENABLE_H_NUMBERS": str(settings.enable_h_numbers),
        **settings.sms_variables(),
        **settings.oidc_variables(),
    }
    _write_private(folder / "service.env", _lines(given))
    reader = settings.ari_reader_password
    looks = {"ARI_USER": "", "ARI_PASSWORD": "", "ARI_READER": settings.ari_reader}
    looks["ARI_READER_PASSWORD"] = reader.get_secret_value() if reader else ""
    _write_private(folder / "api.env", _lines({**given, **looks}))
    (folder / "service").mkdir(mode=0o700, exist_ok=True)
    engine.give(folder / "service")


def _lines(variables: Mapping[str, str]) -> str:
    return "".join(f"INNRINGING_{name}={value}\n" for name, value in variables.items() if value)


def _kept_password(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="ascii")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


def _run(compose: list[str], action: list[str], folder: Path, variables: Mapping[str, str]) -> None:
    project = f"innringing-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"
    command = [*compose, "-p", project, "-f", str(ROOT / "docker" / "compose.yaml"), *action]
    if subprocess.run(command, env={**os.environ, **variables}, check=False).returncode:
        raise ComposeError(f"{' '.join(compose)} {action[0]} failed; its reason is above")


if __name__ == "__main__":
    try:
        {"up": up, "down": down}[sys.argv[1]](Settings.load())
    except (ComposeError, DeskError, asterisk.AsteriskError, engine.EngineError, AptError) as error:
        sys.exit(f"innringing: {error}")
