"""How often something may be done: a bucket of so many, filled again evenly over a time. Pure; others keep the buckets.

Of a bucket one instant is kept: when it will be full again. Each use puts that off by one share of the time, and a use
that would put it further off than the whole time comes too soon. An unknown bucket is a full one.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Rate:
    """So many `times` at once, and as many again spread over each `per`."""

    times: int
    per: timedelta


@dataclass(frozen=True)
class Use:
    """A use that is asked for. `wait`: whole seconds until it is free, 0: now; then `full_at` is to be kept."""

    wait: int
    full_at: datetime


def use(full_at: datetime | None, now: datetime, rate: Rate) -> Use:
    """One more use of a bucket that is full at `full_at`.

    No bucket is further from full than the whole time: one that seems so was kept before the clock was set back, which
    shuts nobody out.
    """
    before = full_at if full_at is not None and now < full_at <= now + rate.per else now
    after = before + rate.per / rate.times
    early = (after - now - rate.per).total_seconds()
    return Use(math.ceil(early), before) if early > 0 else Use(0, after)
