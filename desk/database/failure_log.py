"""What the log says of a failing database: each kind of failure once, then each minute, and when it works again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

REPEAT_SECONDS: Final = 60.0

log = structlog.get_logger("desk.database.engine")


@dataclass
class _Failure:
    logged_at: float
    unlogged: int = 0


class FailureLog:
    """The failures of one `Database`. Reads and writes are watched apart: a full disk stops only writes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._failing: dict[str, dict[tuple[object, ...], _Failure]] = {}

    def failed(self, use: str, **fields: Any) -> None:
        """Log a failure of that use, unless the same was logged within a minute; `repeated` counts those between."""
        known = self._failing.setdefault(use, {})
        now, key = self._clock(), tuple(sorted(fields.items()))
        before = known.get(key)
        if before is not None and now - before.logged_at < REPEAT_SECONDS:
            before.unlogged += 1
            return
        repeated = {"repeated": before.unlogged} if before is not None and before.unlogged else {}
        known[key] = _Failure(now)
        log.error("The database failed", use=use, **fields, **repeated)

    def worked(self, use: str) -> None:
        """Log that this use works again, if it failed before."""
        if self._failing and (failures := self._failing.pop(use, None)):
            repeated = sum(failure.unlogged for failure in failures.values())
            log.info("The database works again", use=use, **({"repeated": repeated} if repeated else {}))
