"""Load a library without others that it would load for nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Inside the block, imports of these libraries fail, and so do imports from them. Afterwards they work again."""
    loaded = {name: sys.modules[name] for name in names if name in sys.modules}
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python marks what can't be imported
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(loaded)


@contextmanager
def with_empty(*names: str) -> Iterator[None]:
    """Inside the block, whatever is imported from these modules is None. Afterwards they can be loaded.

    For modules that a library imports always, for users who need them. Those that are loaded already stay as they are.
    """
    empty = {name: _Empty(name) for name in names if name not in sys.modules}
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


@contextmanager
def phone_doors_imports() -> Iterator[None]:
    """Leave out what the phone door and its standby need nothing of.

    `rich`: structlog would load it for tracebacks with colours, which no log of ours has. Sessions of SQLAlchemy's ORM,
    which come with its asyncio engine: 6 MB.
    """
    with without("rich"), with_empty("sqlalchemy.ext.asyncio.scoping", "sqlalchemy.ext.asyncio.session"):
        yield
