"""Answers kept for a day, so that a request sent twice is done once and answered twice.

Keys are each agent's own. They and what was asked are kept as HMACs under the vault's index key, what was answered is
sealed: neither table nor backup shows a number, whatever a client takes for a key.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

from desk.access.permissions import Scope
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork
from desk.idempotency import repository as rows
from desk.idempotency.errors import AnswerNotVisible, KeyUsedBefore
from desk.vault.vault import Vault

KEPT_FOR = timedelta(hours=24)
PURPOSE = "idempotency key"
"""No HMAC of a key is that of anything else."""


@dataclass(frozen=True)
class Answer:
    """What a request was answered: HTTP status, the body as JSON text, the ETag if it had one.

    `department`: where what it was done to stood then. Who may no longer look there is not told the answer again; nor
    is anybody but who may look everywhere, where it is None. `callbacks`: ids of those it shows, for the trail of each
    request that gets it.
    """

    status: int
    body: str
    etag: str | None = None
    department: str | None = None
    callbacks: tuple[str, ...] = ()

    def may_be_seen(self, scope: Scope) -> bool:
        """Whether it may be told within that scope."""
        return scope.departments is None if self.department is None else scope.covers(self.department)


class Answers(UnitsOfWork):
    """The answers kept in one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock

    async def once(
        self, agent: str, key: str, request: str, work: Callable[[], Awaitable[Answer]], *, scope: Scope
    ) -> tuple[Answer, bool]:
        """The answer to `request`, and whether it was given before; else `work` gives it.

        What `work` does and its answer are committed together. Where it raises, nothing is kept and the key is free.
        Two at once: the second waits for the first. Raises KeyUsedBefore when the key came with another request, and
        AnswerNotVisible when the answer given before is outside the scope now.
        """
        fingerprints = self._vault.indexes(request)
        keys = [index.hex() for index in self._vault.indexes(f"{PURPOSE}\0{key}")]

        async def in_one_unit(connection: Connection) -> tuple[Answer, bool]:
            now = self._clock.now()
            await rows.one_at_a_time(connection, agent, keys)
            await rows.forget(connection, agent, keys, now - KEPT_FOR)
            kept = await rows.find(connection, agent, keys)
            if kept is not None:
                if kept.fingerprint not in fingerprints:
                    raise KeyUsedBefore
                given = Answer(**json.loads(self._vault.open(kept.answer, rows.ANSWER, kept.id)))
                if not given.may_be_seen(scope):
                    raise AnswerNotVisible
                return given, True
            id = await rows.reserve(connection, agent, keys[0], fingerprints[0], now)
            answer = await work()
            await rows.keep(connection, id, self._vault.seal(json.dumps(asdict(answer)), rows.ANSWER, id))
            return answer, False

        return await self.together(in_one_unit)
