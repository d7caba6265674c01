"""How often something may be done: a bucket that fills evenly over a time. Pure; others store the buckets.

One instant of a bucket is stored: when it will be full again. Each use moves it by one share of the time. A use that
would move it further ahead than the whole time is too early. An unknown bucket is a full one.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Rate:
    """`times` at once, and the same number again spread over each `per`."""

    times: int
    per: timedelta


@dataclass(frozen=True)
class RateCheck:
    """Whether a use is allowed. `wait`: whole seconds until it is; if 0, `full_at` is to be stored."""

    wait: int
    full_at: datetime


def use(full_at: datetime | None, now: datetime, rate: Rate) -> RateCheck:
    """Check one more use of a bucket that is full at `full_at`.

    No bucket is further from full than the whole time. One that seems so was stored before the clock was set back, and
    counts as full, so that no one is locked out.
    """
    before = full_at if full_at is not None and now < full_at <= now + rate.per else now
    after = before + rate.per / rate.times
    early = (after - now - rate.per).total_seconds()
    return RateCheck(math.ceil(early), before) if early > 0 else RateCheck(0, after)
