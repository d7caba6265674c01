"""How much may be asked, by one log-in or token, and from one address by who shows nothing that opens.

Kept in this process' memory: with several processes each gives as much, and a restart begins anew. What must hold over
all of them, how many identity numbers somebody is shown, is kept in the database (desk/callbacks/identity_reveal.py).

A credential that has used up its share is refused before the database is asked for anything. Where nothing that opens
was shown, the request would be refused in any case: the limit only makes that cheaper, and leaves no row of the audit
for each. So nobody who may come in is kept out by what others at the same address do, since a hospital may have one.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeVar

from fastapi import Request

from api.web.errors import TooManyRequests
from api.web.metrics import Metrics
from api.web.middleware.trace import trace_of
from desk.accounts.tokens.service import hashed
from desk.clock import Clock
from desk.limits.backoff import network
from desk.limits.rate import Rate, use

Key = TypeVar("Key", bound=Hashable)

MOST_BUCKETS: Final = 20_000
"""Of each kind, before those that are full again are thrown away."""
TOLD_EVERY: Final = timedelta(minutes=1)
"""Of refusals by one bucket, one in so long leaves a row of the audit; the metrics count them all."""


@dataclass
class _Bucket:
    """`who` and `name`: whose it is, for the audit; None of an address."""

    full_at: datetime
    who: str | None = None
    name: str | None = None
    told_at: datetime | None = None


class RequestLimits:
    """The buckets of one process."""

    def __init__(self, *, clock: Clock, metrics: Metrics, requests: Rate, refusals: Rate) -> None:
        self._clock = clock
        self._metrics = metrics
        self._requests = requests
        self._refusals = refusals
        self._credentials: dict[bytes, _Bucket] = {}
        self._addresses: dict[str, _Bucket] = {}

    def take(self, request: Request, secret: str) -> bool:
        """One more request by that secret, before it is looked up; False: it has not opened anything lately.

        Raises TooManyRequests.
        """
        bucket = self._credentials.get(hashed(secret))
        if bucket is None:
            return False
        asked = use(bucket.full_at, self._clock.now(), self._requests)
        if asked.wait:
            trace = trace_of(request)
            trace.who, trace.session = bucket.who, bucket.name
            self._refuse(request, bucket, "credential", asked.wait)
        bucket.full_at = asked.full_at
        return True

    def opened(self, secret: str, *, who: str, name: str) -> None:
        """A secret that had no bucket opens: it gets one. `name`: what the audit knows it by."""
        now, key = self._clock.now(), hashed(secret)
        bucket = self._credentials.get(key) or _Bucket(now, who, name)
        bucket.full_at = use(bucket.full_at, now, self._requests).full_at
        _keep(self._credentials, key, bucket, now)

    def opened_nothing(self, request: Request) -> None:
        """What was shown opens nothing. Raises TooManyRequests in place of the refusal, if that came too often."""
        now, key = self._clock.now(), network(request.client.host if request.client else "")
        bucket = self._addresses.get(key) or _Bucket(now)
        asked = use(bucket.full_at, now, self._refusals)
        if asked.wait:
            self._refuse(request, bucket, "address", asked.wait)
        bucket.full_at = asked.full_at
        _keep(self._addresses, key, bucket, now)

    def _refuse(self, request: Request, bucket: _Bucket, limit: str, wait: int) -> NoReturn:
        now = self._clock.now()
        self._metrics.count_limited(limit)
        if bucket.told_at is None or now - bucket.told_at >= TOLD_EVERY:
            bucket.told_at = now
        else:
            trace_of(request).untold = True
        raise TooManyRequests(wait)


def _keep(buckets: dict[Key, _Bucket], key: Key, bucket: _Bucket, now: datetime) -> None:
    """Keep it. Where there are too many, full ones go: they say nothing; if that is not half of them, all do."""
    if key not in buckets and len(buckets) >= MOST_BUCKETS:
        for full in [each for each, found in buckets.items() if found.full_at <= now]:
            del buckets[full]
        if len(buckets) > MOST_BUCKETS // 2:
            buckets.clear()
    buckets[key] = bucket
