"""`innringing migrate`. Errors are one line, with exit code 1."""

from desk.schema import database_roles as roles
from desk.schema import migrate as migrations
from desk.settings.settings import Settings
from ops.commands.terminal import load_settings, run, say


def migrate() -> None:
    """Migrate the database to the current schema."""
    settings = load_settings()
    run(migrated(settings))
    say("The database is current.")


async def migrated(settings: Settings) -> None:
    """Migrate as the owner of the tables. If the service has another role, grant that role its rights."""
    await migrations.migrate(settings.database.owner_url)
    if settings.database.migration_url:
        await roles.grant(settings.database.migration_url, roles.role_of(settings.database.url))
