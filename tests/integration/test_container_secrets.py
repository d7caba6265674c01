"""The secrets that `make up` gives each container: those it needs, as files, and no others."""

import asyncio
import base64
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from desk.errors import SettingsError
from desk.paths import ROOT
from desk.schema.database_roles import role_of
from desk.settings.settings import Settings
from ops.commands import compose
from ops.machine import container_secrets, postgres, tree
from tests.support.environment import without_ours
from tests.support.ports import free_port
from tests.support.sms.link_gateway import LinkGateway

COMPOSE = ROOT / "docker" / "compose.yaml"
TABLE = ROOT / "docs" / "network.md"
SECRET = re.compile(r"hush-[a-z0-9-]+")
WORDS = {
    "DATABASE_URL": "hush-app",
    "MIGRATION_URL": "hush-owner",
    "owner_password": "hush-owner",
    "app_password": "hush-app",
    "ARI_PASSWORD": "hush-ari",
    "ARI_READER_PASSWORD": "hush-reader",
    "SMS_PASSWORD": "hush-sms",
    "SMS_REPORT_SECRET": "hush-sms-report-secret",
    "OIDC_CLIENT_SECRET": "hush-oidc",
}
IDENTITY, INDEX = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Files as `make up` writes them, for production with a gateway and a provider."""
    for name in os.environ.keys() - without_ours().keys():
        monkeypatch.delenv(name)
    (tmp_path / "postgres-password").write_text("hush-owner")
    (tmp_path / "postgres-app-password").write_text("hush-app")
    gateway = LinkGateway(url="https://sms.example").settings(
        sms_password=WORDS["SMS_PASSWORD"], sms_report_secret=WORDS["SMS_REPORT_SECRET"]
    )
    settings = Settings.load(
        environment="production",
        var_dir=tmp_path,
        identity_key=IDENTITY,
        index_key=INDEX,
        ari_password=WORDS["ARI_PASSWORD"],
        ari_reader_password=WORDS["ARI_READER_PASSWORD"],
        oidc_issuer="https://provider.example",
        oidc_client_id="innringing",
        oidc_client_secret=WORDS["OIDC_CLIENT_SECRET"],
        oidc_redirect_uri="https://innringing.example/api/v1/login/oidc/callback",
        **gateway,
    )
    compose._write_secrets(settings, tmp_path, {"INNRINGING_POSTGRES_PORT": "5432"})
    return tmp_path


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return found


def secrets_in(folder: Path) -> set[str]:
    """The names of the files there, each of which holds the secret of that name."""
    return {path.name.upper() if path.name.upper() in WORDS else path.name for path in folder.iterdir()}


def table() -> dict[str, set[str]]:
    """Service -> secrets, as docs/network.md says."""
    found = re.search(r"(?ms)^\| container \| secrets \|.*?\n\n", TABLE.read_text("utf-8"))
    assert found
    rows = [line.split("|")[1:3] for line in found[0].splitlines()[2:] if line]
    return {service.strip(" `"): set(re.findall(r"`([A-Za-z_]+)`", cell)) for service, cell in rows}


def test_each_service_gets_exactly_the_documented_secrets(folder: Path) -> None:
    told = table()
    assert told.pop("asterisk") == {"ARI_PASSWORD", "ARI_READER_PASSWORD"}  # in its own configuration
    assert {service: set(names) for service, names in container_secrets.SECRETS_OF.items()} == told
    for service, names in told.items():
        files = {path.name: path.read_text() for path in (folder / "secrets" / service).iterdir()}
        given = {name for name in names if name != "OIDC_CLIENT_KEY"}  # one of the two, and here the other
        assert set(files) == {name.lower() for name in given}
        for name in given - {"IDENTITY_KEY", "INDEX_KEY"}:
            assert WORDS[name] in files[name.lower()]
            assert set(SECRET.findall(files[name.lower()])) == {WORDS[name]}


def test_no_secret_is_an_environment_variable(folder: Path) -> None:
    for service in container_secrets.SECRETS_OF:
        text = (folder / f"{service}.env").read_text()
        assert not SECRET.search(text) and IDENTITY not in text and INDEX not in text, service
    assert "PASSWORD" not in str([each.get("environment", {}) for each in services().values()])


def test_each_container_sees_only_its_own_secrets(folder: Path) -> None:
    for name, service in services().items():
        mounted = [volume for volume in service["volumes"] if "secrets" in volume]
        own = f"${{INNRINGING_COMPOSE}}/secrets/{name}:{container_secrets.INSIDE}:ro"
        assert mounted == ([] if name == "asterisk" else [own])
        sources = {volume.split(":")[0] for volume in service["volumes"]}
        assert not sources & {"${INNRINGING_COMPOSE}", "${INNRINGING_COMPOSE}/secrets"}
        assert service["env_file"] == f"${{INNRINGING_COMPOSE}}/{name}.env"
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700


def test_changed_secret_restarts_only_the_services_that_use_it(folder: Path) -> None:
    names = ("api", "ivr", "migrate", "postgres", "prune", "standby")
    held = {name: (folder / "secrets" / name).stat().st_ino for name in names}

    def editions() -> dict[str, str]:
        return {name: (folder / f"{name}.env").read_text().splitlines()[0] for name in names}

    def written() -> dict[str, str]:
        secrets = {"ARI_PASSWORD": password, "IDENTITY_KEY": "k"}
        return container_secrets.write(folder / "secrets", secrets)

    assert len(set(editions().values())) == len(names)
    assert all(line.startswith("SECRETS_EDITION=") for line in editions().values())
    password = "one"
    first = written()
    assert written() == first
    password = "two"
    assert {name for name, edition in written().items() if edition != first[name]} == {"ivr", "standby"}
    assert (folder / "secrets" / "ivr" / "ari_password").read_text() == "two"
    assert {name: (folder / "secrets" / name).stat().st_ino for name in names} == held  # still mounted


@pytest.mark.parametrize("service", ["api", "ivr", "standby", "migrate", "prune"])
def test_each_service_starts_with_its_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, service: str
) -> None:
    monkeypatch.setenv("INNRINGING_VAR_DIR", str(tmp_path_factory.mktemp("var")))
    for line in (folder / f"{service}.env").read_text().splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value.replace(container_secrets.INSIDE, str(folder / "secrets" / service)))
    settings = Settings.load(need_keys=service != "migrate")
    if service == "migrate":
        assert "hush-owner" in settings.database.owner_url and "hush" not in settings.database.url
        assert role_of(settings.database.url) == "innringing_app"
        with pytest.raises(SettingsError):
            settings.vault.keys()
        return
    assert settings.vault.keys()[0].key == b"\x01" * 32
    expected = {
        "api": ("link", None, "hush-reader"),
        "ivr": ("elsewhere", "hush-ari", None),
        "standby": ("elsewhere", "hush-ari", None),
    }
    ari = [each and each.get_secret_value() for each in (settings.ari.password, settings.ari.reader_password)]
    assert (settings.sms.active_gateway, *ari) == expected.get(service, ("off", None, None))
    assert settings.oidc.enabled == (service == "api")


def test_database_has_an_owner_and_a_role_for_the_service() -> None:
    """docker/postgres-start itself, on a new cluster and with changed passwords. Neither role is a superuser."""
    programs = postgres.local_programs() or tree.ensure(tree.POSTGRES) / "usr/lib/postgresql/17/bin"
    folder = Path(tempfile.mkdtemp(prefix="innringing-start-"))
    secrets, owner = folder / "secrets", postgres._unprivileged()
    secrets.mkdir()
    folder.chmod(0o755)
    if owner is not None:
        os.chown(folder, owner, -1)
    port = free_port(socket.SOCK_STREAM)
    variables = {
        **{"PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C", "POSTGRES_PORT": str(port)},
        **{"SECRETS": str(secrets), "data": str(folder / "data")},
    }

    async def roles(password: str, user: str = "innringing_app") -> list[tuple[str, bool]]:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=port, user=user, password=password, database="innringing", ssl="disable"
        )
        found = await connection.fetch("select rolname, rolsuper from pg_roles where rolname like 'innringing%'")
        owner = await connection.fetchval(
            "select pg_get_userbyid(datdba) from pg_database where datname = 'innringing'"
        )
        assert owner == "innringing"
        await connection.close()
        return sorted(map(tuple, found))

    async def answering(password: str, user: str = "innringing_app") -> list[tuple[str, bool]]:
        end = time.monotonic() + 60
        while True:
            try:
                return await roles(password, user)
            except (OSError, asyncpg.CannotConnectNowError):
                assert time.monotonic() < end and server.poll() is None
                await asyncio.sleep(0.05)

    try:
        for app in ("first", "second"):
            (secrets / "owner_password").write_text("owner")
            (secrets / "app_password").write_text(app)
            server = subprocess.Popen(
                [ROOT / "docker" / "postgres-start"], env=variables, user=owner, cwd=folder, stderr=subprocess.DEVNULL
            )
            both = [("innringing", False), ("innringing_app", False)]
            assert asyncio.run(answering(app)) == both
            with pytest.raises(asyncpg.InvalidPasswordError):
                asyncio.run(roles("wrong"))
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                asyncio.run(roles("owner", "postgres"))
            assert asyncio.run(answering("owner", "innringing")) == both
            server.send_signal(signal.SIGINT)  # STOPSIGNAL of postgres.Dockerfile
            assert server.wait(60) == 0
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)
