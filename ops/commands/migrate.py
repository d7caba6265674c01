"""`innringing migrate`. Errors are one line, with exit code 1."""

import typer

from desk.schema import database_roles as roles
from desk.schema import migrate as migrations
from desk.settings.settings import Settings
from ops.commands import agents as agents_cli
from ops.commands import audit as audit_cli
from ops.commands import keys as keys_cli
from ops.commands import person as rights_cli
from ops.commands import tokens as tokens_cli
from ops.commands.terminal import load_settings, run, say

app = typer.Typer(no_args_is_help=True)
app.add_typer(agents_cli.app, name="agents")
app.add_typer(tokens_cli.app, name="tokens")
app.add_typer(audit_cli.app, name="audit")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(rights_cli.person, name="person")
app.add_typer(rights_cli.retention, name="retention")


@app.command()
def migrate() -> None:
    """Migrate the database to the current schema."""
    settings = load_settings()
    run(_migrate(settings))
    say("The database is current.")


async def _migrate(settings: Settings) -> None:
    """Migrate as the owner of the tables. If the service has another role, grant that role its rights."""
    await migrations.migrate(settings.database.owner_url)
    if settings.database.migration_url:
        await roles.grant(settings.database.migration_url, roles.role_of(settings.database.url))
