"""The command `innringing`: puts together what the parts offer, and nothing else."""

import sys
import traceback
from typing import Any

import typer

from desk.logging.log import Scrubber
from ops.commands import migrate as desk
from ops.commands import prompts
from ops.commands.api import api
from ops.commands.call import call
from ops.commands.check import check
from ops.commands.guarded import GuardedCommands
from ops.commands.ivr import ivr
from ops.commands.rehearse import rehearse_command
from ops.commands.run import run


class _Commands(typer.Typer):
    """What goes wrong unforeseen is told with its traceback, scrubbed: a message may quote an identity number."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except Exception:
            sys.stderr.write(Scrubber()(traceback.format_exc()))
            raise SystemExit(1) from None


app = _Commands(
    cls=GuardedCommands,
    help="A callback service for hospitals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold an identity number
)
app.command()(run)
app.command()(ivr)
app.command()(api)
app.add_typer(desk.app)
app.command()(check)
app.add_typer(prompts.app, name="prompts")
app.command("rehearse")(rehearse_command)
app.command()(call)

if __name__ == "__main__":
    app()
