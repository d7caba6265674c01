"""Protect identity numbers in all commands: refuse them on the command line, and scrub them from errors.

Other users of the machine can read command lines, shells store them, and values such as `--by` are stored unencrypted.
Output on stderr ends up in mails from cron and in the journal. Results go to stdout and are not changed.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

from typer.core import TyperGroup

from desk.logging.scrubber import Scrubber
from desk.numbers.identity_number import holds_identity
from ops.commands.usage import one_line_errors

TAKES_SYNTHETIC_NUMBERS: Final = ("call", "--id")
"""The only command and option that accept an identity number: it must be synthetic, so it is no secret."""

REFUSED: Final = "The command line contains an identity number: other users can read it there. The command asks for it."

_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class GuardedCommands(TyperGroup):
    """A command group that refuses arguments with an identity number and scrubs stderr."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with _scrubbed_stderr():
            return super().main(*args, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with one_line_errors(ctx, self.list_commands(ctx)):
            if any(map(contains_identity, _without_synthetic(args))):
                ctx.fail(REFUSED)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with one_line_errors(ctx, self.list_commands(ctx)):
            return super().invoke(ctx)


def _without_synthetic(args: Sequence[str]) -> Iterator[str]:
    command, option = TAKES_SYNTHETIC_NUMBERS
    for before, argument in zip(["", *args], args, strict=False):
        if args[0] != command or not (before == option or argument.startswith(f"{option}=")):
            yield argument


def contains_identity(argument: str) -> bool:
    """Whether an argument contains an identity number. Ids of callbacks and paths are ignored."""
    return "/" not in argument and holds_identity(_ID.sub("", argument))


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
    """A text stream that scrubs each line and writes it to another stream. A flush writes an incomplete line."""

    def __init__(self, stream: TextIO, scrub: Callable[[str], str]) -> None:
        self._stream, self._scrub, self._rest = stream, scrub, ""

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("a text stream")  # click detects the kind of stream by this error
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
