"""What holds for every command of `innringing`: nobody is named on a command line, and no error repeats a number.

A command line can be read by other users of the machine and stays in the shell's history; what is given as `--by` or
as a name is stored in clear. What is said on stderr ends in cron's mails and the journal. Answers go to stdout, where
they were asked for, and are not touched.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

from typer.core import TyperGroup

from desk.logging.log import Scrubber
from desk.numbers.identity_number import holds_identity

TAKES_SYNTHETIC_NUMBERS: Final = ("call", "--id")
"""The one command, and the option, with a number on the command line: a made-up person's, which is no secret."""

_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class GuardedCommands(TyperGroup):
    """The commands, refused as a whole where an argument holds an identity number; stderr scrubbed meanwhile."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with _scrubbed_stderr():
            return super().main(*args, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if any(map(names_somebody, _without_synthetic(args))):
            ctx.fail("An identity number on the command line: other users can read it there. It is asked for.")
        with _scrubbed_message():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _scrubbed_message():
            return super().invoke(ctx)


def _without_synthetic(args: Sequence[str]) -> Iterator[str]:
    command, option = TAKES_SYNTHETIC_NUMBERS
    for before, argument in zip(["", *args], args, strict=False):
        if args[0] != command or not (before == option or argument.startswith(f"{option}=")):
            yield argument


def names_somebody(argument: str) -> bool:
    """Whether an argument holds an identity number. A callback's id is none, and a path is no text."""
    return "/" not in argument and holds_identity(_ID.sub("", argument))


@contextmanager
def _scrubbed_message() -> Iterator[None]:
    """What is wrong with an argument is told in a frame, which may break a number over two lines: scrubbed before."""
    try:
        yield
    except Exception as error:
        message = getattr(error, "message", None)
        if isinstance(message, str):
            error.message = Scrubber()(message)  # type: ignore[attr-defined]
        raise


@contextmanager
def _scrubbed_stderr() -> Iterator[None]:
    before = sys.stderr
    scrubbed = cast(TextIO, ScrubbedStream(before, Scrubber()))
    sys.stderr = scrubbed
    try:
        yield
    finally:
        scrubbed.flush()
        if sys.stderr is scrubbed:
            sys.stderr = before


class ScrubbedStream:
    """A text stream that passes whole lines on, scrubbed, to another; what is left of one when it is flushed."""

    def __init__(self, stream: TextIO, scrub: Callable[[str], str]) -> None:
        self._stream, self._scrub, self._rest = stream, scrub, ""

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("a text stream")  # how click finds out which kind it has
        whole, line, self._rest = (self._rest + text).rpartition("\n")
        if line:
            self._stream.write(self._scrub(whole + line))
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        rest, self._rest = self._rest, ""
        self._stream.write(self._scrub(rest))
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:
        return self._stream.encoding

    @property
    def errors(self) -> str | None:
        return self._stream.errors
