"""Statements that run all day, on the driver itself underneath SQLAlchemy's pool. PostgreSQL only.

SQLAlchemy's work for a statement and its rows costs several times the driver's own. PostgreSQL plans such a statement
once for each connection (`GENERIC`), not each time it runs: planning a claim takes longer than the claim. Other
statements must not run on these connections: their plans depend on their values.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from desk.database.compiled import DriverStatement

CONNECTIONS: Final = 3
"""How many such connections one process has at most. Each carries the requests of many agents."""
GENERIC: Final = "set plan_cache_mode = force_generic_plan"


class Driver:
    """A connection of the driver, on which each statement commits by itself."""

    def __init__(self, raw: Any, announced: set[str]) -> None:
        """`announced`: where to add the channels to notify, once their rows are committed."""
        self._raw = raw
        self._announced = announced

    async def rows(
        self, statement: DriverStatement, values: Mapping[str, Any], *, announce: str | None = None
    ) -> Sequence[Any]:
        """Run a statement and return its rows. If there are any, the channel `announce` is notified."""
        found = await self._raw.fetch(statement.sql, *statement.ordered(values))
        if found and announce:
            self._announced.add(announce)
        return [SimpleNamespace(**row) for row in found]
