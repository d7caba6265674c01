"""`innringing migrate`, `agents …` and the other families. What goes wrong is said in one line, with exit code 1."""

import typer

from desk import agents_cli, audit_cli, keys_cli, rights_cli, tokens_cli
from desk.settings import Settings
from desk.storage import migrate as migrations
from desk.storage import roles
from desk.terminal import load_settings, run, say

app = typer.Typer(no_args_is_help=True)
app.add_typer(agents_cli.app, name="agents")
app.add_typer(tokens_cli.app, name="tokens")
app.add_typer(audit_cli.app, name="audit")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(rights_cli.person, name="person")
app.add_typer(rights_cli.retention, name="retention")


@app.command()
def migrate() -> None:
    """Bring the database to the newest tables."""
    settings = load_settings()
    run(_migrate(settings))
    say("The database is current.")


async def _migrate(settings: Settings) -> None:
    """As the owner of the tables; where that is another role than the service's, the service is given its rights."""
    await migrations.migrate(settings.owner_url)
    if settings.migration_url:
        await roles.grant(settings.migration_url, roles.role_of(settings.database_url))
