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
MOST_REMEMBERED: Final = 40  # digits, whose pace is judged
HURRIED: Final = 2.0
"""Seconds without a key in which a number is over, after events were lost: its other keys may have been among them."""
HURRIED_PACES: Final = 1.5  # of the caller's usual gap between two keys: one who keys slowly has that long
HURRIED_MOST: Final = 3.0
HURRIED_FOR: Final = 10.0  # seconds from the loss, or from a key since: the number may be the one that lost keys
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
        self._hurried_until = float("-inf")
        self._pressed: deque[tuple[float, str]] = deque(maxlen=MOST_REMEMBERED)
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
            if self._clock() < self._hurried_until:
                self._hurried_until = self._clock() + HURRIED_FOR
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
        if self._waiter:
            _resolve(self._waiter)

    def take(self) -> str | None:
        """Return the next key, None if there is none."""
        return self._keys.popleft() if self._keys else None

    async def wait(self, seconds: float) -> None:
        """Wait until a key is there, `close` is called, or the time has passed. See `some_lost`."""
        if self._keys:
            return
        if self._clock() < self._hurried_until:
            seconds = min(seconds, self._hurry())
        self._waiter = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._waiter,), timeout=seconds)
        self._waiter = None

    def some_lost(self) -> None:
        """Note that events were lost, keys perhaps among them. A caller who has keyed is then asked again sooner."""
        self._hurried_until = self._clock() + HURRIED_FOR
        if self._waiter:
            asyncio.get_running_loop().call_later(self._hurry(), _resolve, self._waiter)

    def _hurry(self) -> float:
        """Seconds without a key in which a number is over, now that keys may be lost."""
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(self._pressed)]
        return max(HURRIED, min(HURRIED_MOST, HURRIED_PACES * median(gaps or [0.0])))

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

    def doubled_in(self, digits: str) -> frozenset[int]:
        """Return the places in the last digits pressed where a key came again too fast for this caller.

        There the telephone doubled it. Empty where `digits` are not the last ones that were pressed.
        """
        pressed = list(self._pressed)[-len(digits) :]
        if "".join(key for _, key in pressed) != digits:
            return frozenset()
        gaps = [(later - earlier, one == other) for (earlier, one), (later, other) in pairwise(pressed)]
        between = [gap for gap, is_same in gaps if not is_same]
        if not between:
            return frozenset()
        limit = min(HASTY, max(HASTY_PACES * median(between), min(between)))
        return frozenset(place for place, (gap, is_same) in enumerate(gaps, 1) if is_same and gap < limit)

    def number_ended(self) -> None:
        """Ignore a '#' after a complete number: many callers press it, and it must not answer the next question."""
        self._hurried_until = float("-inf")  # it lost no keys
        if not self._keys:
            self._number_ended_at = self._clock()
        elif self._keys[0] == "#":
            self._keys.popleft()


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
