"""`innringing migrate`, `agents …` and the other families. What goes wrong is said in one line, with exit code 1."""

import typer

from desk import agents_cli, keys_cli, rights_cli
from desk.storage import migrate as migrations
from desk.terminal import load_settings, run, say

app = typer.Typer(no_args_is_help=True)
app.add_typer(agents_cli.app, name="agents")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(rights_cli.person, name="person")
app.add_typer(rights_cli.retention, name="retention")


@app.command()
def migrate() -> None:
    """Bring the database to the newest tables."""
    settings = load_settings()
    run(migrations.migrate(settings.database_url))
    say("The database is current.")
