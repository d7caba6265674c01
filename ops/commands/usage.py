"""The help of the commands, and what was wrong with a command line, in the operator's language.

Both are plain text: a usage error is one line, which says what to write instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from ops.commands.dialplan.words import nearest
from ops.messages.translation import LANGUAGES, VARIABLE, translated

_UNKNOWN_COMMAND = re.compile(r"No such command '(?P<name>[^']*)'")
_KIND = re.compile(r"<[a-z ]+>")


class HelpPage(typer.Context.formatter_class):  # type: ignore[misc, valid-type]
    """A page of help, with its headings in the operator's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or f"{translated('Usage:')} ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(translated(heading))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(_named(name), _with_limits(text)) for name, text in rows], col_max, col_spacing)


class CommandLine(typer.Context):
    """A command that is called, with its page of help."""

    formatter_class = HelpPage


def choose(language: str | None) -> None:
    """Set the language of this process's messages, and of those it starts. Raises typer.BadParameter."""
    if language is None:
        return
    if language not in LANGUAGES:
        raise typer.BadParameter(f"«{language}»: {' / '.join(LANGUAGES)}", param_hint="--language")
    os.environ[VARIABLE] = language


def in_their_language(command: Any) -> None:
    """Translate the help of a command and of the commands below it."""
    command.context_class = CommandLine
    command.rich_markup_mode = None
    paragraphs = [translated(" ".join(part.split())) for part in (command.help or "").split("\n\n")]
    command.help = "\n\n".join(paragraphs)
    command.short_help = paragraphs[0]
    command.options_metavar = translated("[OPTIONS]")
    for parameter in (*command.params, command.get_help_option(CommandLine(command))):
        if parameter and parameter.help:
            parameter.help = translated(" ".join(parameter.help.split()))
    if hasattr(command, "commands"):
        command.subcommand_metavar = translated("COMMAND [ARGS]...")
        for each in command.commands.values():
            in_their_language(each)


@contextmanager
def one_line_errors(outermost: Any, known: Iterable[str]) -> Iterator[None]:
    """Print a usage error of the block as one line, and exit. `known` are the commands of `outermost`."""
    try:
        yield
    except (EOFError, typer.Abort):
        typer.echo(translated("Stopped: there was no answer to the question."), err=True)
        raise typer.Exit(1) from None
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        typer.echo(_line(error, outermost, known), err=True)
        raise typer.Exit(getattr(error, "exit_code", 1)) from None


def _line(error: Any, outermost: Any, known: Iterable[str]) -> str:
    context = getattr(error, "ctx", None) or outermost
    if "\n" in error.message:  # the help of a group that was called without a command
        return str(error.format_message())
    said = " ".join(error.format_message().split())
    if unknown := _UNKNOWN_COMMAND.match(said):
        said = unknown[0] + nearest(unknown["name"], getattr(context.command, "commands", None) or known)
    parameter = getattr(error, "param", None)
    about = getattr(parameter, "help", None) or ""
    hint = translated(f"See: {context.command_path} --help")
    return " ".join(filter(None, (f"{context.command_path}: {_ended(translated(said))}", _ended(about), hint)))


def _ended(text: str) -> str:
    return text if not text or text[-1] in ".?!" else f"{text}."


def _named(option: str) -> str:
    """Translate the kind of an option's value: `--days <int range>`."""
    return _KIND.sub(lambda kind: translated(kind[0]), option)


def _with_limits(text: str) -> str:
    """Translate `[default: 90; required]` after the help of an option."""
    about, bracket, limits = text.rpartition("  [")
    if not bracket or not limits.endswith("]"):
        return text
    return f"{about}  [{'; '.join(translated(limit) for limit in limits[:-1].split('; '))}]"
