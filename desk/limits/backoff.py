"""How fast passwords may be tried: growing delays, never a lock. Pure; desk/limits/login_backoff.py stores the counts.

Tries are counted in lanes, and a try must be free in each of its lanes. From a device that its agent has logged in from
before there is one lane, the device's own: what others do with the account's name does not affect it. From anywhere
else there are two: the account tried from that address, and the account tried from everywhere, with more free tries.
The address alone is no lane, since a whole hospital may have one. But where many tries have failed from an address,
accounts with a failed try have no free tries there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

FREE: Final = 3
FREE_EVERYWHERE: Final = 30
BUSY_ADDRESS: Final = 20
"""Failures from one address, all accounts together, after which it gives no free tries."""
LONGEST: Final = timedelta(seconds=60)
LONGEST_CODES: Final = timedelta(minutes=15)
"""There are only a million codes. Anyone who may try one knows the password, so other people's delays don't grow."""
FORGOTTEN: Final = timedelta(hours=1)
"""A lane without a failure for this long starts from zero."""


@dataclass(frozen=True)
class Lane:
    """Tries that are counted together. `free`: tries before the first delay. `longest`: the longest delay."""

    key: str
    free: int
    longest: timedelta = LONGEST


@dataclass(frozen=True)
class LaneCount:
    """The failures in a lane, when the next try is free, and when the last one was made."""

    failures: int
    next_at: datetime
    last_at: datetime


def lanes(account: str, address: str, device: str | None) -> tuple[Lane, ...]:
    """Return the lanes of a try at that account. `device` is a known one."""
    if device is not None:
        return (Lane(f"device\0{account}\0{device}", FREE),)
    return Lane(f"place\0{account}\0{network(address)}", FREE), Lane(f"account\0{account}", FREE_EVERYWHERE)


def code_lane(account: str, device: str | None) -> Lane:
    """Return the lane of a second factor's code, which comes after the right password. `device` is a known one."""
    return Lane(f"code\0{account}\0{device or ''}", FREE, LONGEST_CODES)


def network(address: str) -> str:
    """Return the addresses that are counted together: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    return str(ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def delay(failures: int, longest: timedelta = LONGEST) -> timedelta:
    """Return the delay after that number of failures beyond the free ones: 1, 2, 4 … 60 s."""
    return min(timedelta(seconds=2 ** min(failures - 1, 10)), longest) if failures > 0 else timedelta()


def after_try(count: LaneCount | None, lane: Lane, now: datetime, *, busy: bool) -> LaneCount:
    """Count a try, which has failed until it is known to be right. `busy`: many tries have failed from the address."""
    failures = count.failures + 1 if count and count.last_at > now - FORGOTTEN else 1
    return LaneCount(failures, now + delay(failures if busy else failures - lane.free, lane.longest), now)


def seconds_to_wait(counts: Sequence[LaneCount | None], now: datetime) -> int:
    """Return the whole seconds until the try is free in every lane.

    No delay is longer than the longest. One that seems so was stored before the clock was set back.
    """
    until = max((count.next_at for count in counts if count and count.next_at <= now + LONGEST_CODES), default=now)
    return max(0, math.ceil((until - now).total_seconds()))
