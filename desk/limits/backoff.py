"""How fast passwords may be tried: growing delays, never a lock. Pure; desk/accounts/login.py keeps the counts.

Tries are counted in lanes, and a try must be free in each of its lanes. From a device its agent has logged in from
before there is one lane, the device's own: what others do with the account's name doesn't touch it. From anywhere
else there are two: the account tried from that address, and the account tried from everywhere, with more free tries.
The address alone is no lane, since a whole hospital may have one: where much has failed from it, accounts somebody has
failed at have no free tries there, and that is all.
"""

import math
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
"""Of codes there are only a million. Who gets to try one knows the password, so nobody else's delay grows so long."""
FORGOTTEN: Final = timedelta(hours=1)
"""A lane in which nothing has failed for so long begins anew."""


@dataclass(frozen=True)
class Lane:
    """Where tries are counted together. `key` says whose; `free`: tries before the first delay; `longest`: delay."""

    key: str
    free: int
    longest: timedelta = LONGEST


@dataclass(frozen=True)
class Count:
    """What has happened in a lane."""

    failures: int
    next_at: datetime
    last_at: datetime


def lanes(account: str, address: str, device: str | None) -> tuple[Lane, ...]:
    """The lanes of a try at that account; `device` is a known one's."""
    if device is not None:
        return (Lane(f"device\0{account}\0{device}", FREE),)
    return Lane(f"place\0{account}\0{network(address)}", FREE), Lane(f"account\0{account}", FREE_EVERYWHERE)


def code_lane(account: str, device: str | None) -> Lane:
    """The lane of a second factor's code, shown after the right password; `device` is a known one's."""
    return Lane(f"code\0{account}\0{device or ''}", FREE, LONGEST_CODES)


def network(address: str) -> str:
    """Whose tries are counted as one: an IPv4 address, an IPv6 network of 64 bits."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    return str(ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def delay(failures: int, longest: timedelta = LONGEST) -> timedelta:
    """How long after the last of so many failures beyond the free ones the next try must wait: 1, 2, 4 … 60 s."""
    return min(timedelta(seconds=2 ** min(failures - 1, 10)), longest) if failures > 0 else timedelta()


def after_try(count: Count | None, lane: Lane, now: datetime, *, busy: bool) -> Count:
    """The lane after a try, counted as failed until it is known better. `busy`: the address has failed much."""
    failures = count.failures + 1 if count and count.last_at > now - FORGOTTEN else 1
    return Count(failures, now + delay(failures if busy else failures - lane.free, lane.longest), now)


def seconds_to_wait(counts: list[Count | None], now: datetime) -> int:
    """Whole seconds until the try is free in every lane; 0: now."""
    until = max((count.next_at for count in counts if count), default=now)
    return max(0, math.ceil((until - now).total_seconds()))
