"""The second factor of local accounts over REST: set up, required, one-time codes, loss and removal. Both engines."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.auth.cookies import SESSION
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.login import Logins
from desk.accounts.passwords.hashing import Passwords
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.key_rotation.rotation import Rotation
from desk.logging.log import configure_logging
from desk.schema import tables
from desk.schema.tables import metadata
from desk.vault.vault import Vault
from innringing import app
from tests.support.web.api import KEYS, World, refused
from tests.support.web.second_factors import ONE_STEP, PASSWORD, Person, opened, person

COOKIE = f"__Host-{SESSION}"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(migrated_url, tmp_path) as world:
        yield world


@pytest.fixture
async def kari(world: World) -> AsyncIterator[Person]:
    async with person(world) as kari:
        yield kari


async def why_refused(world: World) -> list[tuple[str, str | None, str | None]]:
    """(action, problem, why) of the refused requests, oldest first."""
    await world.token("rita", Role.AUDITOR)
    rows = (await world.as_("rita", "GET", "/audit", params={"outcome": "refused"})).json()["items"]
    return [(row["action"], row["problem"], row["why"]) for row in reversed(rows)]


async def test_second_factor_is_set_up_and_then_required(world: World, kari: Person) -> None:
    told = (await kari.logs_in()).json()
    assert told["second_factor_to_add"] is False, "the demo asks nobody for one"
    before = kari.client.cookies[COOKIE]
    assert (await kari.ask("GET", "/second-factor")).json() == {"since": None, "recovery_codes_left": 0}
    started = (await kari.starts()).json()
    assert started["address"].startswith("otpauth://totp/Innringing:kari?")
    assert started["secret"] in started["address"]
    assert (await kari.ask("POST", "/session", json={"name": "kari", "password": PASSWORD})).status_code == 201, (
        "not asked for before it is confirmed"
    )
    await kari.logs_in()
    refused(await kari.confirms("000000" if kari.code() != "000000" else "000001"), 403, "wrong-code")
    confirmed = await kari.confirms()
    assert (confirmed.status_code, len(set(kari.recovery_codes))) == (200, 10)
    assert await world.services.sessions.verify(before) is None, "all sessions end"
    assert (await kari.ask("GET", "/callbacks")).status_code == 200, "and this is a new one"
    state = (await kari.ask("GET", "/second-factor")).json()
    assert (state["since"] is not None, state["recovery_codes_left"]) == (True, 10)
    refused(await kari.logs_in(), 401, "second-factor-needed")
    refused(await kari.logs_in(kari.code()), 401, "second-factor-needed")  # the code was used to confirm
    world.clock.advance(ONE_STEP)
    refused(await kari.logs_in(kari.code(), password="feil passord her"), 401, "wrong-login")
    world.clock.advance(timedelta(minutes=1))
    assert (await kari.logs_in(kari.code())).status_code == 201
    assert ("log_in", "second-factor-needed", "password of kari") in await why_refused(world)


async def test_code_is_accepted_once_and_no_earlier_one_afterwards(world: World, kari: Person) -> None:
    await kari.enrols()
    before, now, after = kari.code(-ONE_STEP), kari.code(), kari.code(ONE_STEP)
    assert (await kari.logs_in(now)).status_code == 201
    for used in (now, before):
        refused(await kari.logs_in(used), 401, "second-factor-needed")
    assert (await kari.logs_in(after)).status_code == 201, "a phone that is half a minute fast"
    world.clock.advance(4 * ONE_STEP)
    late = kari.code(-ONE_STEP)
    assert (await kari.logs_in(late)).status_code == 201, "and one that is slow"
    for off in (2, -2, 3):
        refused(await kari.logs_in(kari.code(off * ONE_STEP)), 401, "second-factor-needed")
        world.clock.advance(timedelta(minutes=20))


async def test_one_of_two_log_ins_with_the_same_code_succeeds(world: World, kari: Person) -> None:
    await kari.enrols()
    for code in (kari.code(), kari.recovery_codes[0]):
        answers = await asyncio.gather(*(kari.logs_in(code) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers).count(201) == 1
        assert {answer.status_code for answer in answers} <= {201, 401, 429}
        world.clock.advance(timedelta(hours=2))


async def test_recovery_code_works_once(world: World, kari: Person) -> None:
    await kari.enrols()
    first, second, *_ = kari.recovery_codes
    assert (await kari.logs_in(first.upper().replace("-", " "))).status_code == 201
    assert (await kari.ask("GET", "/second-factor")).json()["recovery_codes_left"] == 9
    refused(await kari.logs_in(first), 401, "second-factor-needed")
    assert (await kari.logs_in(second)).status_code == 201
    await world.token("rita", Role.AUDITOR)
    rows = (await world.as_("rita", "GET", "/audit", params={"who": "kari", "outcome": "done"})).json()["items"]
    assert [row["why"] for row in rows if row["action"] == "log_in"] == ["recovery-code", "recovery-code", None]
    async with person(world, "ola") as ola:
        await ola.enrols()
        refused(await ola.logs_in(kari.recovery_codes[2]), 401, "second-factor-needed")


async def test_new_phone_replaces_the_old_one(world: World, kari: Person) -> None:
    await kari.enrols()
    old, codes = kari.secret, kari.recovery_codes
    assert (await kari.logs_in(codes[0])).status_code == 201
    await kari.starts()
    new, kari.secret = kari.secret, old
    async with person(world) as elsewhere:
        elsewhere.secret = old
        assert (await elsewhere.logs_in(elsewhere.code())).status_code == 201, "the old one holds until then"
    kari.secret = new
    assert (await kari.confirms()).status_code == 200
    world.clock.advance(ONE_STEP)
    kari.secret = old
    refused(await kari.logs_in(kari.code()), 401, "second-factor-needed")
    refused(await kari.logs_in(codes[1]), 401, "second-factor-needed")  # nor its recovery codes
    kari.secret = new
    assert (await kari.logs_in(kari.code())).status_code == 201


async def test_setup_needs_a_recent_log_in_and_expires_after_15_minutes(world: World, kari: Person) -> None:
    await kari.logs_in()
    refused(await kari.confirms("123456"), 409, "second-factor-not-started")
    await kari.starts()
    world.clock.advance(timedelta(minutes=15))
    refused(await kari.confirms(), 409, "second-factor-not-started")
    refused(await kari.starts(), 403, "log-in-again")
    await kari.logs_in()
    await kari.starts()
    abandoned = kari.secret
    await kari.starts()
    kari.secret, again = abandoned, kari.secret
    refused(await kari.confirms(), 403, "wrong-code")
    kari.secret = again
    assert (await kari.confirms()).status_code == 200
    refused(await kari.confirms(), 409, "second-factor-not-started")


async def test_guesses_of_codes_are_slowed_except_for_a_known_browser(world: World, kari: Person) -> None:
    await kari.enrols()
    async with person(world) as thief:
        answers = [(await thief.logs_in(f"{n:06}")).status_code for n in range(12)]
        assert 429 in answers
        assert answers.count(401) <= 4
        world.clock.advance(timedelta(minutes=1))
    assert (await kari.logs_in(kari.code())).status_code == 201, "in the browser she used before, at once"


async def test_second_factor_is_removed_by_its_owner_or_an_access_manager(world: World, kari: Person) -> None:
    await kari.enrols()
    await kari.logs_in(kari.code())
    async with (
        person(world, "ada", Role.ADMIN, ["kirurgi"]) as ada,
        person(world, "per", Role.ADMIN, ["hjerte"]) as per,
        person(world, "lise", Role.LEADER, ["kirurgi"]) as lise,
    ):
        path = "/second-factor?agent=kari"
        for other in (ada, per, lise):
            await other.logs_in()
        refused(await per.ask("DELETE", path), 404, "agent-not-found")
        refused(await per.ask("GET", path), 404, "agent-not-found")
        refused(await lise.ask("DELETE", path), 403, "role-not-allowed")
        assert (await ada.ask("GET", path)).json()["recovery_codes_left"] == 10
        world.clock.advance(timedelta(minutes=10))
        refused(await ada.ask("DELETE", path), 403, "log-in-again")
        await ada.logs_in()
        assert (await ada.ask("DELETE", path)).status_code == 204
        refused(await ada.ask("DELETE", path), 404, "second-factor-not-found")
    refused(await kari.ask("GET", "/me"), 401, "not-signed-in")
    assert (await kari.logs_in()).status_code == 201, "the password alone"
    refused(await kari.logs_in(password="feil"), 401, "wrong-login")
    await kari.enrols()
    await kari.logs_in(kari.code())
    assert (await kari.ask("DELETE", "/second-factor")).status_code == 204
    assert COOKIE not in kari.client.cookies
    await world.token("rita", Role.AUDITOR)
    rows = (await world.as_("rita", "GET", "/audit", params={"outcome": "done"})).json()["items"]
    removed = [(row["who"], row["why"]) for row in rows if row["action"] == "remove_second_factor"]
    assert removed == [("kari", "second factor of kari"), ("ada", "second factor of kari")]


async def test_second_factor_survives_a_new_password_but_not_the_account(world: World, kari: Person) -> None:
    await kari.enrols()
    await world.services.logins.set_password("kari", "fikk denne av drift")
    refused(await kari.logs_in(password="fikk denne av drift"), 401, "second-factor-needed")
    assert (await kari.logs_in(kari.code(), password="fikk denne av drift")).status_code == 201
    await world.services.agents.revoke(SYSTEM, "kari")
    async with world.database.read() as connection:
        for table in (tables.second_factors, tables.recovery_codes):
            assert (await connection.execute(select(table))).all() == []


async def test_provider_log_in_needs_no_local_second_factor(world: World, kari: Person) -> None:
    session = await world.services.sessions.open(SYSTEM, "kari", source=LoginSource.OIDC)
    kari.client.cookies.set(COOKIE, session.token)
    kari.csrf = session.csrf
    refused(await kari.starts(), 403, "second-factor-elsewhere")
    refused(await kari.confirms("123456"), 403, "second-factor-elsewhere")


async def test_second_factor_survives_key_rotation(world: World, kari: Person) -> None:
    await kari.enrols()
    keys = {"index_key": b"x" * 32, "version": 2}
    both = Vault(identity_key=b"n" * 32, older={1: b"i" * 32}, **keys)  # type: ignore[arg-type]
    assert (await Rotation(database=world.database, vault=both, clock=world.clock, rest=0).rotate()).sealed > 0
    newest = Vault(identity_key=b"n" * 32, **keys)  # type: ignore[arg-type]
    sessions = Sessions(database=world.database, clock=world.clock)
    parts = {"database": world.database, "vault": newest, "clock": world.clock, "sessions": sessions}
    logins = Logins(**parts, passwords=Passwords())  # type: ignore[arg-type]
    assert (await logins.by_password("kari", PASSWORD, address="192.0.2.1", code=kari.code())).session


async def test_no_secret_and_no_code_is_in_clear(world: World, kari: Person) -> None:
    """With every logger at its lowest level, also when the address is logged by mistake; and in a backup."""
    log = io.StringIO()
    configure_logging(world.services.settings.secrets(), readable=True, level=logging.DEBUG, stream=log)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)
    await kari.logs_in()
    address = (await kari.starts()).json()["address"]
    shown = [kari.code()]
    await kari.confirms()
    world.clock.advance(ONE_STEP)
    shown.append(kari.code())
    assert (await kari.logs_in(shown[1])).status_code == 201
    refused(await kari.logs_in(shown[1]), 401, "second-factor-needed")
    assert (await kari.logs_in(kari.recovery_codes[0])).status_code == 201
    logging.getLogger("library").error("qr %s", address)
    logged = log.getvalue()
    assert "qr otpauth***" in logged and len(logged) > 10_000
    async with world.database.read() as connection:
        rows = [(await connection.execute(select(table))).all() for table in metadata.sorted_tables]
    kept = repr(rows) + world.services.metrics.exposition().decode()
    plain = [code.replace("-", "") for code in kari.recovery_codes]
    for secret in (kari.secret, *kari.recovery_codes, *plain):
        assert secret not in logged + kept
    for code in shown:
        assert f"'{code}'" not in logged + kept and f'"{code}"' not in logged + kept


@pytest.fixture
def command(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in {"DATABASE_URL": migrated_url, "ENVIRONMENT": "demo", **KEYS}.items():
        monkeypatch.setenv(f"INNRINGING_{name.upper()}", value)
    return CliRunner()


async def test_operator_removes_a_second_factor_by_command(world: World, kari: Person, command: CliRunner) -> None:
    await kari.enrols()
    words = ["agents", "remove-second-factor", "kari"]
    removed = await asyncio.to_thread(command.invoke, app, words)
    assert (removed.exit_code, "no longer has a second factor" in removed.output) == (0, True), removed.output
    again = await asyncio.to_thread(command.invoke, app, words)
    assert (again.exit_code, "has no second factor" in again.output) == (1, True), again.output
    refused(await kari.ask("GET", "/me"), 401, "not-signed-in")
    assert (await kari.logs_in()).status_code == 201
    await world.token("rita", Role.AUDITOR)
    rows = (await world.as_("rita", "GET", "/audit")).json()["items"]
    told = [(row["outcome"], row["why"]) for row in rows if row["action"] == "agent_second_factor"]
    assert told == [("refused", "kari"), ("done", "kari")]
