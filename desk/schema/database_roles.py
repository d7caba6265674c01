"""Two roles on PostgreSQL: one owns the tables and migrates them, the other runs the service with fewer rights.

The service may read the audit and append to it, nothing else, so an attacker who takes over the service can't change
what the audit shows.
"""

from urllib.parse import unquote, urlsplit

from sqlalchemy import text

from desk.database.engine import Connection, Database
from desk.schema.tables import audit, audit_callbacks, audit_patients, metadata

ALL = "select, insert, update, delete"
LIMITED = {
    **dict.fromkeys((audit.name, audit_callbacks.name), "select, insert"),
    audit_patients.name: "select, insert, update",
}


def role_of(url: str) -> str:
    """The role in a database's URL; empty if there is none."""
    return unquote(urlsplit(url).username or "")


async def grant(url: str, role: str) -> None:
    """Grant `role` the rights the service needs, and revoke all others. `url` connects as the owner of the tables.

    Raises StorageUnavailable, also when there is no such role.
    """
    database = Database(url, pool_size=1)
    try:
        async with database.begin() as connection:
            await _grant(connection, connection.dialect.identifier_preparer.quote(role))
    finally:
        await database.close()


async def _grant(connection: Connection, role: str) -> None:
    schema = connection.dialect.identifier_preparer.quote(
        str((await connection.execute(text("select current_schema()"))).scalar_one())
    )
    statements = [f"grant usage on schema {schema} to {role}", f"grant select on alembic_version to {role}"]
    for table in metadata.sorted_tables:
        statements += [
            f"revoke all on {table.name} from {role}",
            f"grant {LIMITED.get(table.name, ALL)} on {table.name} to {role}",
        ]
    statements.append(f"grant usage, select on all sequences in schema {schema} to {role}")
    for statement in statements:
        await connection.execute(text(statement))
