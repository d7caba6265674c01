"""Ten thousand identity numbers and ten thousand phones through every route: none is where it may not be.

Places come from the app's own routes and OpenAPI document, so a new route is included. Every logger is at its lowest
level. The test searches answers and their headers, problem documents, the log, metrics and the tables; and a backup and
the server's own log, which is set to log every statement with its parameters, or the database's files. For commands
see test_canaries_commands.py, for the log of a service test_service_log.py, for Asterisk's files and those of
the phone door tests/chaos/test_sentinel.py, for names that exchanges send test_asterisk_log.py.
"""

import base64
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event

from api.web import problems
from api.web.metrics import Metrics
from api.web.middleware import requests
from desk.logging.scrubber import Scrubber
from desk.numbers.identity_number import IdentityNumber
from desk.paths import ROOT
from desk.vault.vault import Vault
from ops.machine.postgres import Postgres
from tests.support.canaries.numbers import Checker, Find, identities, identity_spellings, phone_spellings, phones
from tests.support.canaries.patients import lived, secrets
from tests.support.canaries.places import in_a_dump, in_files
from tests.support.canaries.sweep import Numbers, Route, routes, sent, through_every_route
from tests.support.depth import deep
from tests.support.web.api import open_world


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


LOUD = {
    **{"log_statement": "all", "log_min_messages": "debug1", "log_error_verbosity": "verbose", "log_duration": "on"},
    **{"log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1"},
}
"""A server that logs each statement with its parameters, as someone who looks for a fault may configure it."""

SHARE = {"postgresql": 1, "sqlite": deep(3, 1)}
"""Every route on a server; on the embedded database, whose answers and logs are the same, every third, or in
`make deep` every one."""

REFUSING = """
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$;
create trigger refuse before insert or update on callbacks for each row execute function refuse();
create trigger refuse before insert or update on calls for each row execute function refuse();
create trigger refuse before insert or update on answers for each row execute function refuse();
"""


@dataclass
class Behind:
    """What is behind the api, for those who do not come through it: operators, or a thief with the disk."""

    url: str
    folder: Path
    server: Postgres | None = None
    written: int = 0
    """The previous length of the server's log."""

    async def run_statements(self, *statements: str) -> None:
        """Run these statements as the database's owner, where there is a server."""
        if self.server is not None:
            connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

    async def is_logged(self, settings: Mapping[str, str]) -> None:
        """Set what the server logs for new connections."""
        name = self.url.rpartition("/")[2]
        await self.run_statements(*(f"alter database {name} set {key} = '{value}'" for key, value in settings.items()))
        self.written = len(self.server.log()) if self.server else 0

    @property
    def log(self) -> bytes:
        return self.server.log()[self.written :] if self.server else b""

    def look(self, checker: Checker, secrets: Iterable[str] = ()) -> list[Find]:
        """Canaries and secrets in a backup and the server's log, or in the database's own files."""
        secrets = list(secrets)
        if self.server is None:
            return in_files(self.folder.rglob("innringing.db*"), checker, secrets)
        found = in_a_dump(self.server.dump(self.url.rpartition("/")[2]), checker, secrets)
        log = self.log
        found += [Find("the server's log", "secret", secret[:2]) for secret in secrets if secret.encode() in log]
        return found + checker.people("the server's log", log)


@pytest.fixture
async def behind(migrated_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Behind:
    if migrated_url.startswith("sqlite"):
        return Behind(migrated_url, tmp_path)
    made = Behind(migrated_url, tmp_path, request.getfixturevalue("postgres_server"))
    await made.is_logged(LOUD)
    return made


async def test_no_canary_is_in_clear_where_it_may_not_be(
    migrated_url: str, behind: Behind, tmp_path: Path, checker: Checker
) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        if behind.server is None:  # the content is the same without waiting for the disk
            event.listen(world.database.engine.sync_engine, "connect", _without_waiting)
        given_out = await secrets(world)
        await lived(world, 8_000, 3)
        ours = {route.name for route in routes(world)[:: SHARE[world.database.dialect]]}
        run = await through_every_route(world, checker, only=lambda route: route.name in ours)
        while run.numbers.used < 10_000:  # those that did not fit into the places
            await sent(world, checker, run, Route("POST", "/api/v1/callbacks", {}), "kari", _big(run.numbers))
        await behind.run_statements(REFUSING)
        for route in (route for route in routes(world) if route.name == "POST /api/v1/callbacks"):
            for n in range(3):  # on a server each fails in a statement that contains it
                await sent(world, checker, run, route, "kari", {"url": route.path, **_booking(7_000 + n)})
        run.finds += behind.look(checker, given_out)  # as it is while the service runs, with its journal
    run.finds += behind.look(checker, given_out)
    assert not run.finds, "\n".join(sorted({str(find) for find in run.finds})[:30])
    assert run.numbers.used >= 10_000
    assert len(run.log.getvalue()) > 100_000
    assert {status for statuses in run.answered.values() for status in statuses} >= {200, 401, 404, 422}
    if behind.server is not None:
        assert b"not today" in behind.log and checker.both("the log can be read", behind.log[-1_000_000:])
        assert 503 in run.answered["POST /api/v1/callbacks"]


def _without_waiting(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("pragma synchronous = off")
    cursor.close()


def _booking(n: int) -> dict[str, Any]:
    """Book a callback over REST, with a key for repeated requests."""
    return {"json": {"department": "hjerte", "phone": f"+47{phones()[n]}", "identity": identities()[n]}} | {
        "headers": {"Idempotency-Key": f"key-{n}"}
    }


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
async def test_configured_server_writes_no_phone_into_its_log(
    migrated_url: str, behind: Behind, tmp_path: Path, checker: Checker
) -> None:
    """Even where every statement is logged, one fails with its parameters, and a row is refused as a duplicate."""
    start = (ROOT / "docker" / "postgres-start").read_text("utf-8")
    await behind.run_statements("create unique index one_a_phone on callbacks (phone)")
    async with open_world(migrated_url, tmp_path) as world:
        await lived(world, 8_000, 1)
        for ours in ({}, dict(re.findall(r"-c (log_\w+)=(\S+)", start))):
            await behind.is_logged({**LOUD, "log_min_messages": "warning", **ours})
            await world.database.engine.dispose()  # a new connection
            again = {"department": "kirurgi", "phone": f"+47{phones()[8_000]}"}
            assert (await world.as_("kari", "POST", "/callbacks", json=again)).status_code == 503
            assert b"one_a_phone" in behind.log and b"INSERT INTO callbacks" in behind.log
            assert (checker.both("the server's log", behind.log) == []) == bool(ours)


def _big(numbers: Numbers) -> dict[str, Any]:
    return {"url": "/api/v1/callbacks", "json": {"department": "kirurgi", "note": numbers.many(200)}}


# --- proof that the test can fail


def _logged(patch: pytest.MonkeyPatch) -> None:
    def account(self: Any, scope: Any, status: int, seconds: float) -> None:
        logging.getLogger("sqlalchemy.engine").debug("asked for %s", scope["query_string"].decode())

    patch.setattr(requests.RequestMiddleware, "_account", account)
    patch.setattr(Scrubber, "__call__", lambda self, line: line)


def _leak_in_a_problem(patch: pytest.MonkeyPatch) -> None:
    def fault(item: Any) -> problems.FieldFault:
        return problems.FieldFault(place="query", pointer="#", detail=str(item.get("input")))

    patch.setattr(problems, "_fault", fault)


def _in_a_header(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "_request_id", lambda given: (given or "none").encode("ascii", "replace").decode())


def _counted(patch: pytest.MonkeyPatch) -> None:
    count = Metrics.count_request

    def by_address(self: Metrics, *, method: str, route: str, status: int, seconds: float) -> None:
        count(self, method=method, route=next(asked), status=status, seconds=seconds)

    asked = (f"/callbacks?phone={spelling}" for spelling in itertools.cycle(phone_spellings(phones()[17])))
    patch.setattr(Metrics, "count_request", by_address)


def _stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Vault, "seal", lambda self, value, column, row, **_: value.encode())


def _stored_as_hex(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Vault, "seal", lambda self, value, column, row, **_: value.encode().hex().encode())


def _stored_in_base64(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Vault, "seal", lambda self, value, column, row, **_: base64.b64encode(b"ab" + value.encode()))


def _half_of_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdentityNumber, "masked", property(lambda self: f"{self.value[:8]}***"))


def _found_by_itself(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Vault, "index", lambda self, value, **_: value.encode())


def _kept_secret(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("desk.accounts.tokens.service.hashed", str.encode)


def _kept_session(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("desk.accounts.sessions.service.hashed", str.encode)


def _in_a_note(patch: pytest.MonkeyPatch) -> None:
    for module in ("api.schemas.fields", "desk.inquiries.notes"):
        patch.setattr(f"{module}.holds_identity", lambda text: False)


LEAKS = (
    ("sqlite", "the log", _logged),
    ("sqlite", "the answer 422", _leak_in_a_problem),
    ("sqlite", "headers of", _in_a_header),
    ("sqlite", "metrics", _counted),
    ("sqlite", "inquiries.patient_number", _stored),
    ("sqlite", "inquiries.note", _in_a_note),
    ("sqlite", "innringing.db-wal", _stored),
    ("sqlite", "innringing.db-wal", _kept_secret),
    ("postgresql", "the backup, inquiries.patient_number", _stored),
    ("postgresql", "the backup, inquiries.patient_number", _stored_as_hex),
    ("postgresql", "the backup, answers.answer", _stored_in_base64),
    ("postgresql", "the backup, inquiries.patient_masked", _half_of_it),
    ("postgresql", "the backup", _kept_session),
    ("postgresql", "the server's log", _found_by_itself),
)
THROUGH_A_ROUTE = ("the log", "the answer 422", "headers of", "metrics")
"""Found in requests and answers; the others in what was stored before."""


@pytest.mark.parametrize(("migrated_url", "place", "leak"), LEAKS, indirect=["migrated_url"])
async def test_single_leak_is_found(
    behind: Behind,
    tmp_path: Path,
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    leak: Callable[[pytest.MonkeyPatch], None],
) -> None:
    leak(monkeypatch)
    async with open_world(behind.url, tmp_path) as world:
        given_out = await secrets(world)
        assert (await world.as_("kari", "POST", "/callbacks", **_booking(7_000))).status_code == 201
        if leak is _in_a_note:
            note = f"født {identity_spellings(a_person())[1]}"
            await world.post("/callbacks", {"department": "hjerte", "phone": "+4740612345", "note": note}, status=201)
        run_statements = place in THROUGH_A_ROUTE
        run = await through_every_route(
            world, checker, only=lambda route: run_statements and route.name == "GET /api/v1/callbacks"
        )
        run.finds += behind.look(checker, given_out)
        world.witness.forget()  # the leak is planted
    kind = "secret" if leak in (_kept_secret, _kept_session) else ""
    assert any(find.place.startswith(place) and find.kind.startswith(kind) for find in run.finds), {
        find.place for find in run.finds
    }


def a_person() -> str:
    return identities()[5]


async def test_text_with_an_identity_number_is_refused_and_with_a_phone_accepted(
    migrated_url: str, tmp_path: Path
) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        for spelling in identity_spellings(a_person())[:8]:
            body = {"department": "hjerte", "phone": "+4740612345", "note": f"gjelder {spelling}"}
            assert (await world.as_("kari", "POST", "/callbacks", json=body)).status_code == 422, spelling
        body = {"department": "hjerte", "phone": "+4740612345", "note": "ring heller +47 68 05 00 01 før 12.00"}
        assert (await world.as_("kari", "POST", "/callbacks", json=body)).status_code == 201
