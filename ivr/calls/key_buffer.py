"""The keys a caller has pressed and no question has taken yet."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import pairwise
from statistics import median
from typing import Final

KEYS: Final = frozenset("0123456789*#")
LATE_DIGITS: Final = 3.0
"""Seconds after an identity number was accepted, and after each such digit, in which digits cast doubt on it."""
HASTY: Final = 0.25
"""Seconds. A key that comes twice within less, and faster than its caller's pace allows, was doubled."""
HASTY_PACES: Final = 0.6  # of the caller's usual gap between two different keys
LONGEST_NUMBER: Final = 11
LATE_HASH: Final = 2.0  # seconds after the last digit in which a '#' still belongs to that number


class KeyBuffer:
    """Keys in the order they were pressed. `press` and `close` never block."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._keys: deque[str] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._number_ended_at = float("-inf")
        self._stray_until = float("-inf")
        self._stray_seconds = 0.0
        self._late_until = float("-inf")
        self._pressed: deque[tuple[float, str]] = deque(maxlen=LONGEST_NUMBER)
        self.any_late = False
        """Whether digits followed a number that was taken as complete. See `expect_no_more`."""
        self.any_pressed = False
        """Whether the caller has pressed a key during this call."""

    def __len__(self) -> int:
        return len(self._keys)

    def press(self, key: str) -> bool:
        """Add a key. False, and the key is dropped, if it is unknown, stray, or a '#' that ends a complete number."""
        if key not in KEYS:  # DTMF has A to D, telephones do not
            return False
        self.any_pressed = True
        if key.isdigit():
            self._pressed.append((self._clock(), key))
            if self._clock() < self._late_until:
                self.any_late = True
                self._late_until = self._clock() + LATE_DIGITS
        if key == "#" and self._clock() - self._number_ended_at < LATE_HASH:
            self._number_ended_at = float("-inf")
            return False
        if self._clock() < self._stray_until:
            self._stray_until = self._clock() + self._stray_seconds
            return False
        self._keys.append(key)
        self.close()
        return True

    def close(self) -> None:
        """End the wait for a key, if there is one."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def take(self) -> str | None:
        """Return the next key, None if there is none."""
        return self._keys.popleft() if self._keys else None

    async def wait(self, seconds: float) -> None:
        """Wait until a key is there, `close` is called, or the time has passed."""
        if self._keys:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._waiter,), timeout=seconds)
        self._waiter = None

    def forget(self, *, stray: float = 0.0) -> None:
        """Drop the keys. Keys within `stray` seconds from now, or from the last such key, are dropped too.

        A surplus digit belongs to the previous number and does not answer the next question.
        """
        self._keys.clear()
        self._stray_seconds = stray
        self._stray_until = self._clock() + stray

    def expect_no_more(self) -> None:
        """Watch for digits that follow a complete number. They are keys like any other, and set `any_late`."""
        self.any_late = any(key.isdigit() for key in self._keys)
        self._late_until = self._clock() + LATE_DIGITS

    def is_hasty(self, count: int) -> bool:
        """Whether a key among the last `count` digits came twice too fast for this caller: one of them is surplus."""
        gaps: dict[bool, list[float]] = {True: [], False: []}
        for (began, one), (ended, other) in pairwise(list(self._pressed)[-count:]):
            gaps[one == other].append(ended - began)
        if not all(gaps.values()):
            return False
        own_pace = max(HASTY_PACES * median(gaps[False]), min(gaps[False]))
        return min(gaps[True]) < min(HASTY, own_pace)

    def number_ended(self) -> None:
        """Ignore a '#' after a complete number: many callers press it, and it must not answer the next question."""
        if not self._keys:
            self._number_ended_at = self._clock()
        elif self._keys[0] == "#":
            self._keys.popleft()
