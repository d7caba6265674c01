"""Patients with canary numbers in every table where the product stores patients, written by the product itself."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from desk.access.actor import CALLER
from desk.access.permissions import Role
from desk.callbacks.model import Callback, CallKey, IncompleteStep
from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from desk.schema.tables import outbox
from desk.vault.vault import Vault
from tests.support.canaries.numbers import identities, phones
from tests.support.desk import sealed_database
from tests.support.web.api import World

PASSWORD = "ta trikken til Frogner"
SPEECH = b"\x2a\xaa" * 4000


async def rings(world: World, n: int, *, department: str = "kirurgi") -> Callback:
    """Register the n-th canary, a second after the one before."""
    world.clock.advance(timedelta(seconds=1))
    patient = parse_identity(identities()[n], allow_test=True, allow_h=False)
    call = CallKey("node-1", f"canary-{n}")
    return (
        await world.services.callbacks.registration.register(
            CALLER, call, department, patient, parse_phone(phones()[n])
        )
    ).callback


async def lived(world: World, first: int, count: int) -> list[str]:
    """Add canaries from `first` on, with recordings, agents' work, views and extracts. Returns the callbacks' ids."""
    await _everybody(world)
    vault = Vault(identity_key=b"i" * 32, index_key=b"x" * 32)
    ids = []
    for n in range(first, first + count):
        callback = await rings(world, n)
        ids.append(callback.id)
        await world.services.recordings.keep(CALLER, callback.id, SPEECH)
        text = sealed_database.text(1000 + n, callback.id, world.clock.now(), vault)
        text["phone"] = vault.seal(phones()[n], "outbox.phone", 1001 + n)
        text["text"] = vault.seal(f"Vi ringer {phones()[n]}", "outbox.text", 1001 + n)
        async with world.database.begin() as connection:
            await connection.execute(insert(outbox).values(text))
        await _worked_on(world, callback.id, phones()[n])
        await world.services.callbacks.registration.record_call(
            CALLER,
            CallKey("node-1", f"gone-{n}"),
            "kirurgi",
            phone=parse_phone(phones()[n]),
            step=IncompleteStep.WELCOME,
        )
    await _booked(world, first + count)
    return ids


async def secrets(world: World) -> list[str]:
    """A password of a log-in, the secrets of its session, and tokens: issued, and stored only as hashes."""
    await _everybody(world)
    await world.services.logins.set_password("kari", PASSWORD)
    given = {"name": "kari", "password": PASSWORD}
    headers = {"Origin": "http://api.test", "Sec-Fetch-Site": "same-origin"}
    answer = await world.client.post("/api/v1/session", json=given, headers=headers)
    assert answer.status_code == 201, answer.text
    cookies = [cookie.partition("=")[2].partition(";")[0] for cookie in answer.headers.get_list("set-cookie")]
    world.client.cookies.clear()
    assert len(cookies) == 2
    return [PASSWORD, answer.json()["csrf"], *cookies, *world.tokens.values()]


async def _everybody(world: World) -> None:
    for name, role in {"kari": Role.AGENT, "lise": Role.LEADER, "rita": Role.AUDITOR, "ada": Role.ADMIN}.items():
        await world.token(name, role)


async def _worked_on(world: World, id: str, phone: str) -> None:
    claimed = await world.post(f"/callbacks/{id}/claim")
    attempt = {"outcome": "no_answer", "note": f"ring heller {phone}", "fence": claimed["fence"]}
    await world.post(f"/callbacks/{id}/attempts", attempt)
    number = (await world.get(f"/callbacks/{id}/patient"))["number"]
    for form in ("json", "csv"):
        told = await world.as_("rita", "POST", "/audit/extract", json={"identity": number, "format": form})
        assert told.status_code == 200, told.text


async def _booked(world: World, n: int) -> None:
    """Sent over REST, with a key for repeated requests."""
    body: dict[str, Any] = {"department": "hjerte", "phone": f"+47{phones()[n]}", "identity": identities()[n]}
    headers = {"Idempotency-Key": "a-key-of-mine"}
    answer = await world.as_("kari", "POST", "/callbacks", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert identities()[n] not in json.dumps(answer.json())
