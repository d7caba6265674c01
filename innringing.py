"""The command `innringing`: puts together what the parts offer, and nothing else."""

import typer

from api.cli import api
from docker.run import run
from ivr.phone.cli import call
from ivr.prompts import cli as prompts

app = typer.Typer(
    help="A callback service for hospitals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold an identity number
)
app.command()(run)
app.command()(api)
app.command()(call)
app.add_typer(prompts.app, name="prompts")

if __name__ == "__main__":
    app()
