"""Load each command of `innringing` only when it is used: the doors must not load each other's libraries."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import typer

from ops.commands.guarded import GuardedCommands
from ops.commands.usage import CommandLine, in_their_language

COMMANDS: Final[Mapping[str, str]] = {
    "run": "ops.commands.run:run",
    "ivr": "ops.commands.ivr:ivr",
    "standby": "ops.commands.standby:standby",
    "api": "ops.commands.api:api",
    "migrate": "ops.commands.migrate:migrate",
    "agents": "ops.commands.agents:app",
    "tokens": "ops.commands.tokens:app",
    "backup": "ops.commands.backup:backup",
    "restore": "ops.commands.backup:restore",
    "audit": "ops.commands.audit:app",
    "keys": "ops.commands.keys:app",
    "person": "ops.commands.person:person",
    "retention": "ops.commands.person:retention",
    "stats": "ops.commands.stats:app",
    "check": "ops.commands.check:check",
    "reload": "ops.commands.reload:reload",
    "prompts": "ops.commands.prompts:app",
    "rehearse": "ops.commands.rehearse:rehearse_command",
    "call": "ops.commands.call:call",
}
"""The module and the function or Typer app of each command."""


OPTION: Final = "--language"


class LazyCommands(GuardedCommands):
    """The commands in COMMANDS. `--help` loads all of them, a command only itself."""

    context_class = CommandLine

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _language_first(args))

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name in COMMANDS if name != "call" or _has_test_phone()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "call" and not _has_test_phone():
            ctx.fail("The SIP test phone is not part of this installation.")
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(cmd_name)(function)
        command = typer.main.get_command(found)
        command.name = cmd_name
        in_their_language(command)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        in_their_language(self)
        super().format_help(ctx, formatter)


def _language_first(args: list[str]) -> list[str]:
    """Let `--language` be written after the command too, as people do. For `prompts` it chooses texts."""
    if OPTION not in [arg.partition("=")[0] for arg in args] or "prompts" in args:
        return args
    at = next(at for at, arg in enumerate(args) if arg.partition("=")[0] == OPTION)
    end = at + (1 if "=" in args[at] else 2)
    return [*args[at:end], *args[:at], *args[end:]]


def _has_test_phone() -> bool:
    """Whether the SIP phone of `innringing call` is there: production images do not have it."""
    return find_spec("ops.softphone") is not None
