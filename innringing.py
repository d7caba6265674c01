"""The command `innringing`: puts together what the parts offer, and nothing else."""

import typer

from api.cli import api
from desk import cli as desk
from docker.check import check
from docker.run import run
from ivr.cli import ivr
from ivr.phone.cli import call
from ivr.prompts import cli as prompts
from ivr.rehearse.cli import rehearse_command

app = typer.Typer(
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
