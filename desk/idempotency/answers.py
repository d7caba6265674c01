"""Responses stored for a day, so that a request sent twice is done once and gets the same response twice.

Keys belong to one agent. The key and the request are stored as HMACs under the vault's index key, and the response is
sealed: neither table nor backup shows a number, whatever a client uses as a key.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from desk.access.permissions import Scope
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.idempotency import repository as rows
from desk.idempotency.errors import AnswerNotVisible, KeyUsedBefore
from desk.vault.vault import Vault

KEPT_FOR = timedelta(hours=24)
PURPOSE = "idempotency key"
"""Keeps the HMAC of a key different from any other HMAC of the same text."""


@dataclass(frozen=True)
class Answer:
    """The response to a request: HTTP status, the body as JSON text, and the ETag if it had one.

    `department` is where the callback was then. An agent who may no longer read there does not get the response again.
    If it is None, only an agent of all departments does. `callbacks`: the ids of those it shows, for the trail of each
    request that gets it.
    """

    status: int
    body: str
    etag: str | None = None
    department: str | None = None
    callbacks: tuple[str, ...] = ()

    def may_be_seen(self, scope: Scope) -> bool:
        """Whether it may be shown within that scope."""
        return scope.departments is None if self.department is None else scope.covers(self.department)


class Answers(Service):
    """The stored responses of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault

    @unit_of_work
    async def once(
        self, unit: Unit, key: str, request: str, work: Callable[[Unit], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """Return the stored response to `request` and True, or do `work` and return its response and False.

        What `work` does with its unit and the response are committed together. If it raises, nothing is stored and the
        key is free. If two requests come at once, the second waits for the first. Raises KeyUsedBefore if the key came
        with another request, and AnswerNotVisible if the stored response is outside the actor's scope now.
        """
        agent = unit.actor.name
        fingerprints = self._vault.indexes(request)
        keys = [index.hex() for index in self._vault.indexes(f"{PURPOSE}\0{key}")]
        await rows.lock_keys(unit, agent, keys)
        await rows.delete_old(unit, agent, keys, before=unit.now - KEPT_FOR)
        stored = await rows.find(unit, agent, keys)
        if stored is not None:
            if stored.fingerprint not in fingerprints:
                raise KeyUsedBefore
            answer = Answer(**json.loads(self._vault.open(stored.answer, rows.ANSWER, stored.id)))
            if not answer.may_be_seen(unit.scope):
                raise AnswerNotVisible
            unit.trail.saw(*answer.callbacks)
            if answer.department is not None:
                unit.actor.reached(answer.department)
            return answer, True
        id = await rows.reserve(unit, agent, keys[0], fingerprints[0])
        answer = replace(await work(unit), callbacks=tuple(sorted(unit.trail.callbacks)))
        await rows.store(unit, id, self._vault.seal(json.dumps(asdict(answer)), rows.ANSWER, id))
        return answer, False
