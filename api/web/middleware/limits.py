"""Limits on requests: per session or token, and per address for requests without a valid one.

The counts are in this process' memory, where a request costs nothing. Those of credentials are shared through the
database: once a second a process adds what it has counted of each busy one, and reads what others have. So several
processes together let through at most what they count within that second beyond the limit. Counts of addresses are not
shared: they save each process the cost of refusals, and no secret can be guessed however many there are. The limit on
identity numbers holds exactly (desk/limits/agent_limit.py).

A credential that has reached its limit is refused before the database is queried. A request without a valid one is
refused anyway; there the limit saves the cost and an audit row for each. So agents are never locked out by others at
the same address, which a whole hospital may share.
"""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeVar

from fastapi import Request

from api.web.errors import TooManyRequests
from api.web.metrics import Metrics
from api.web.middleware.trace import trace_of
from desk.access.actor import SYSTEM
from desk.accounts.tokens.model import hashed
from desk.clock import Clock
from desk.limits.backoff import network
from desk.limits.rate import Rate, use
from desk.limits.request_buckets import RequestBuckets

Key = TypeVar("Key", bound=Hashable)

MOST_BUCKETS: Final = 20_000
"""Buckets of each kind; beyond this number, full ones are dropped."""
SHARE_EVERY: Final = 1.0  # seconds
SHARED_FROM: Final = 0.05
"""The part of a bucket that is spent before it is shared. An agent's screen spends less."""
AUDIT_EVERY: Final = timedelta(minutes=1)
"""Refusals by one bucket add at most one audit row in this time; the metrics count them all."""


@dataclass
class _Bucket:
    """`who` and `name` identify the credential in the audit; None for an address.

    `unshared`: what was spent since it was last shared.
    """

    full_at: datetime
    who: str | None = None
    name: str | None = None
    audited_at: datetime | None = None
    unshared: timedelta = timedelta()


class RequestLimits:
    """The buckets of one process."""

    def __init__(
        self, *, clock: Clock, metrics: Metrics, buckets: RequestBuckets, requests: Rate, refusals: Rate
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._buckets = buckets
        self._requests = requests
        self._share = requests.per / requests.times
        self._refusals = refusals
        self._credentials: dict[bytes, _Bucket] = {}
        self._addresses: dict[str, _Bucket] = {}

    def take(self, request: Request, secret: str) -> bool:
        """Count a request with this secret before the secret is looked up. Return whether it was valid lately.

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
        bucket.unshared += self._share
        return True

    def opened(self, secret: str, *, who: str, name: str) -> None:
        """Give a valid secret its bucket. `name` identifies it in the audit."""
        now, key = self._clock.now(), hashed(secret)
        bucket = self._credentials.get(key) or _Bucket(now, who, name)
        bucket.full_at = use(bucket.full_at, now, self._requests).full_at
        bucket.unshared += self._share
        _keep(self._credentials, key, bucket, now)

    def opened_nothing(self, request: Request) -> None:
        """Count a request without a valid credential. Raises TooManyRequests when the address sends too many."""
        now, key = self._clock.now(), network(request.client.host if request.client else "")
        bucket = self._addresses.get(key) or _Bucket(now)
        asked = use(bucket.full_at, now, self._refusals)
        if asked.wait:
            self._refuse(request, bucket, "address", asked.wait)
        bucket.full_at = asked.full_at
        _keep(self._addresses, key, bucket, now)

    async def share(self) -> None:
        """Add what this process has counted of busy credentials to the database, and take over what others have."""
        now, per = self._clock.now(), self._requests.per
        busy: dict[str, tuple[_Bucket, timedelta]] = {}
        for secret, bucket in self._credentials.items():
            bucket.unshared = min(bucket.unshared, max(bucket.full_at - now, timedelta()))  # the rest is filled again
            if bucket.unshared and bucket.full_at - now > per * SHARED_FROM:
                busy[hashlib.sha256(secret).hexdigest()] = bucket, bucket.unshared
        if not busy:
            return
        full_at = await self._buckets.spend(SYSTEM, {key: spent for key, (_, spent) in busy.items()}, per=per)
        for key, (bucket, spent) in busy.items():
            bucket.unshared -= spent
            bucket.full_at = max(bucket.full_at, min(full_at[key] + bucket.unshared, now + per))

    def _refuse(self, request: Request, bucket: _Bucket, limit: str, wait: int) -> NoReturn:
        now = self._clock.now()
        self._metrics.count_limited(limit)
        if bucket.audited_at is None or now - bucket.audited_at >= AUDIT_EVERY:
            bucket.audited_at = now
        else:
            trace_of(request).skipped = True
        raise TooManyRequests(wait)


def _keep(buckets: dict[Key, _Bucket], key: Key, bucket: _Bucket, now: datetime) -> None:
    """Store a bucket. At the maximum, drop the full ones, which hold no information; if too few are, drop all."""
    if key not in buckets and len(buckets) >= MOST_BUCKETS:
        for full in [each for each, found in buckets.items() if found.full_at <= now]:
            del buckets[full]
        if len(buckets) > MOST_BUCKETS // 2:
            buckets.clear()
    buckets[key] = bucket
