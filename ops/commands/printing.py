"""What commands print, in the operator's language. It loads nothing else, so that small commands start quickly."""

from typing import NoReturn

import typer

from ops.messages.translation import translated


def say(line: object) -> None:
    """Print a message in the operator's language on stderr. Output for programs goes to stdout."""
    typer.echo(translated(line), err=True)


def show(line: object) -> None:
    """Print a message in the operator's language on stdout: what the command was asked for."""
    print(translated(line), flush=True)


def fail(line: object) -> NoReturn:
    """Print a line and exit with code 1."""
    say(line)
    raise typer.Exit(1)
