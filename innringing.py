"""The command `innringing`."""

import os
import sys
import traceback
from typing import Annotated, Any, Final

import typer

from desk.logging.scrubber import Scrubber
from ops.commands.lazy import COMMANDS, LazyCommands
from ops.commands.usage import choose
from ops.messages.translation import VARIABLE

READ_BY_ASTERISK: Final = frozenset({"prompts", "reload"})
"""Commands whose files another user may have to read: Asterisk in a container. They hold no personal data."""


class _Commands(typer.Typer):
    """Prints the traceback of an unexpected error, scrubbed: its message may contain an identity number.

    What a command writes is its user's alone, whatever the umask: databases, copies, recordings of test calls.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        command = next((each for each in sys.argv[1:] if each in COMMANDS), "")
        os.umask(0o022 if command in READ_BY_ASTERISK else 0o077)
        try:
            return super().__call__(*args, **kwargs)
        except Exception:
            sys.stderr.write(Scrubber()(traceback.format_exc()))
            raise SystemExit(1) from None


app = _Commands(
    cls=LazyCommands,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may contain an identity number
)


@app.callback()
def innringing(
    language: Annotated[
        str | None,
        typer.Option(
            envvar=VARIABLE,
            help="The language of messages: nb (unless said otherwise) or en.",
            is_eager=True,  # before --help is printed
            callback=choose,
        ),
    ] = None,
) -> None:
    """A callback service for hospitals."""


if __name__ == "__main__":
    app()
