"""A PostgreSQL that requires TLS and client certificates: who gets in, and the errors for others."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from desk.connections.tls import client_context
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.errors import SettingsError
from desk.settings.settings import Settings
from innringing import app
from ops.machine import postgres
from tests.support.certificates import Authority, Certificate
from tests.support.environment import without_ours

APP, OWNER = "innringing_app", "innringing_owner"


class Secured:
    """The server with a certificate for localhost, and its authority. `files` is a folder for more."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.other = Authority(folder / "own"), Authority(folder / "other")
        self.server = postgres.start(tls=served(self.authority.issue("localhost", ["localhost"]), self.authority))
        self.app, self.owner = self.authority.issue(APP), self.authority.issue(OWNER)
        asyncio.run(self._make_roles())

    def url(self, role: str, *, host: str = "localhost", ssl: str = "verify-full", port: int | None = None) -> str:
        return f"postgresql://{role}@{host}:{port or self.server.port}/innringing?ssl={ssl}"

    async def _make_roles(self) -> None:
        superuser = await asyncpg.connect(
            host="localhost",
            port=self.server.port,
            user="postgres",
            database="postgres",
            ssl=client_context("DATABASE", self.authority.file),
        )
        for statement in (
            f"create role {APP} login",
            f"create role {OWNER} login",
            f"create database innringing owner {OWNER}",
        ):
            await superuser.execute(statement)
        await superuser.close()


def served(certificate: Certificate, clients: Authority) -> postgres.ServerTls:
    return postgres.ServerTls(certificate.certificate, certificate.key, clients.file)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    made = Secured(tmp_path_factory.mktemp("tls"))
    yield made
    made.server.stop()


Set = Callable[..., None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Set:
    """Production settings in the environment."""
    for name in os.environ.keys() - without_ours().keys():
        monkeypatch.delenv(name)

    def set_them(url: str, authority: Authority | None = None, shown: Certificate | None = None, **more: str) -> None:
        named = {
            "ENVIRONMENT": "production",
            "VAR_DIR": str(tmp_path),
            "DATABASE_URL": url,
            "DATABASE_CA": str(authority.file) if authority else "",
            "DATABASE_CERTIFICATE": str(shown.certificate) if shown else "",
            "DATABASE_KEY": str(shown.key) if shown else "",
        }
        for name, value in (named | more).items():
            monkeypatch.setenv(f"INNRINGING_{name}", value)

    return set_them


def migrate() -> tuple[int, str]:
    """Exit code and output of `innringing migrate`: one line."""
    done = CliRunner().invoke(app, ["migrate"])
    (line,) = done.output.splitlines()
    return done.exit_code, line


def test_migrations_and_commands_log_in_by_certificate(secured: Secured, given: Set) -> None:
    given(secured.url(APP), secured.authority, secured.owner, MIGRATION_URL=secured.url(OWNER))
    assert migrate() == (0, "The database is current.")
    given(secured.url(APP), secured.authority, secured.app)
    done = CliRunner().invoke(app, ["agents", "list"])
    assert done.exit_code == 0, done.output
    assert asyncio.run(who_we_are(Settings.load(need_keys=False))) == (APP, f"/CN={APP}", True)


async def who_we_are(settings: Settings) -> tuple[str, str, bool]:
    """Our connection as PostgreSQL sees it: role, the certificate's name, whether TLS is used."""
    database = Database(settings.database.url)
    async with database.read() as connection:
        asked = "select current_user, client_dn, ssl from pg_stat_ssl where pid = pg_backend_pid()"
        row = (await connection.execute(text(asked))).one()
    await database.close()
    return tuple(row)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("the server's authority is another", "was not issued by the authority in INNRINGING_DATABASE_CA"),
        ("nobody says who vouches", "was not issued by the authority in INNRINGING_DATABASE_CA"),
        ("the address is not the certificate's", "INNRINGING_DATABASE_URL must have a name that is in it"),
        ("in clear", "without TLS (?ssl=verify-full)"),
        ("without a certificate", "(INNRINGING_DATABASE_CERTIFICATE)"),
        ("with another role's certificate", "(INNRINGING_DATABASE_CERTIFICATE)"),
        ("with one that has expired", "expired-certificate.pem has expired: renew it"),
        (
            "with one of another authority",
            "is its ssl_ca_file the authority that issued INNRINGING_DATABASE_CERTIFICATE?",
        ),
    ],
)
def test_refused_connection_says_in_one_line_what_to_fix(secured: Secured, given: Set, how: str, said: str) -> None:
    url, authority, shown = secured.url(APP), secured.authority, secured.app
    match how:
        case "the server's authority is another":
            given(url, secured.other, shown)
        case "nobody says who vouches":
            given(url, None, shown)
        case "the address is not the certificate's":
            given(secured.url(APP, host="127.0.0.1"), authority, shown)
        case "in clear":
            given(secured.url(APP, ssl="disable"))
        case "without a certificate":
            given(url, authority)
        case "with another role's certificate":
            given(url, authority, secured.owner)
        case "with one that has expired":
            given(url, authority, secured.authority.issue(APP, file="expired", days=-1))
        case "with one of another authority":
            given(url, authority, secured.other.issue(APP))
    code, line = migrate()
    assert code == 1
    assert said in line and line.startswith("The database can't be reached.")


def test_expired_server_certificate_is_refused(secured: Secured, given: Set) -> None:
    late = secured.authority.issue("localhost", ["localhost"], file="late", days=-1)
    with postgres.start(tls=served(late, secured.authority)) as server:
        given(secured.url(APP, port=server.port), secured.authority, secured.app)
        assert migrate() == (1, "The database can't be reached. Its certificate has expired: renew it there.")


def test_server_without_tls_is_refused(postgres_server: postgres.Postgres, secured: Secured, given: Set) -> None:
    given(secured.url("postgres", port=postgres_server.port), secured.authority)
    assert migrate() == (1, "The database can't be reached. It speaks no TLS: turn ssl on in its postgresql.conf.")


async def test_short_lived_certificate_is_renewed_in_place(secured: Secured, given: Set, tmp_path: Path) -> None:
    shown = Certificate(secured.authority.file, tmp_path / "shown.pem", tmp_path / "shown.key")

    def show(made: Certificate) -> None:
        shutil.copy(made.certificate, shown.certificate)
        shutil.copy(made.key, shown.key)

    show(secured.app)
    given(secured.url(APP), secured.authority, shown)
    database = Database(Settings.load(need_keys=False).database.url)
    for spoil in (lambda: show(secured.authority.issue(APP, file="gone", days=-1)), shown.key.unlink):
        show(secured.authority.issue(APP, file="new"))
        await database.ping()
        spoil()
        await database.ping()  # open connections continue
        await database.engine.dispose()
        with pytest.raises(StorageUnavailable) as refused:
            await database.ping()
        assert "INNRINGING_DATABASE_" in refused.value.advice
        assert str(refused.value) == "The database can't be reached."  # the answer to a client
    await database.close()


@pytest.mark.parametrize(
    ("ssl", "spoilt", "said"),
    [
        ("verify-full", {"DATABASE_CA": "/nowhere.pem"}, "INNRINGING_DATABASE_CA: /nowhere.pem can't be read"),
        ("verify-full", {"DATABASE_CA": "{key}"}, "INNRINGING_DATABASE_CA: {key} has no certificate"),
        ("verify-full", {"DATABASE_KEY": ""}, "INNRINGING_DATABASE_KEY is not set"),
        ("verify-full", {"DATABASE_CERTIFICATE": ""}, "INNRINGING_DATABASE_CERTIFICATE is not set"),
        ("verify-full", {"DATABASE_KEY": "{other}"}, "{other} is not the key of"),
        (
            "disable",
            {},
            "INNRINGING_DATABASE_CA is set, but INNRINGING_DATABASE_URL does not end with ?ssl=verify-full",
        ),
        ("require", {}, "does not end with ?ssl=verify-full"),
    ],
)
def test_incomplete_tls_settings_are_refused_before_anything_starts(
    secured: Secured, given: Set, ssl: str, spoilt: dict[str, str], said: str
) -> None:
    paths = {"key": str(secured.app.key), "other": str(secured.owner.key)}
    spoilt = {name: value.format(**paths) for name, value in spoilt.items()}
    given(secured.url(APP, ssl=ssl), secured.authority, secured.app, **spoilt)
    with pytest.raises(SettingsError) as refused:
        Settings.load(need_keys=False)
    assert said.format(**paths) in str(refused.value)
