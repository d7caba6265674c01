"""The command `innringing`."""

import sys
import traceback
from typing import Any

import typer

from desk.logging.scrubber import Scrubber
from ops.commands.lazy import LazyCommands


class _Commands(typer.Typer):
    """Prints the traceback of an unexpected error, scrubbed: its message may contain an identity number."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except Exception:
            sys.stderr.write(Scrubber()(traceback.format_exc()))
            raise SystemExit(1) from None


app = _Commands(
    cls=LazyCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may contain an identity number
)


@app.callback()
def innringing() -> None:
    """A callback service for hospitals."""


if __name__ == "__main__":
    app()
