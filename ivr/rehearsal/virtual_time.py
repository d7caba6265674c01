"""An event loop with a virtual clock, which jumps to the next timer when the loop is idle."""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

_POLL = 0.05  # real seconds between polls while the clock is stopped


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose time starts at 0 and passes only while everything waits for a timer."""

    def __init__(self) -> None:
        self._now = 0.0
        self._standing = 0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        return self._now

    async def shutdown_default_executor(self, *limit: Any) -> None:
        """Wait for threads in real time: they are no timer."""
        with self.standing_still():
            await super().shutdown_default_executor(*limit)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the clock inside the block: work in another thread, such as the database's, takes no virtual time."""
        self._standing += 1
        try:
            yield
        finally:
            self._standing -= 1

    def _jump(self, seconds: float) -> bool:
        """Advance the clock. False while it is stopped."""
        if self._standing:
            return False
        self._now += seconds
        return True


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], bool]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if not self._jump(timeout or 0.0):
            return super().select(_POLL)
        if timeout is None:
            raise RuntimeError("deadlock: the loop is idle and no timer is pending")
        return ready


def on_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on a VirtualTimeLoop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(_as_coroutine(test(*args, **kwargs)))

    return run


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
