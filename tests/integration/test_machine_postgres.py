"""A PostgreSQL is available on this machine, whatever is installed on it."""

import asyncpg
import pytest

from ops.machine import postgres


@pytest.mark.parametrize("kind", ["tree", None])
async def test_server_starts_answers_and_leaves_no_listener(kind: postgres.Kind | None) -> None:
    with postgres.start(kind) as server:
        connection = await asyncpg.connect(server.url().replace("+asyncpg", ""))
        version = await connection.fetchval("show server_version_num")
        await connection.close()
    assert int(version) >= 150000
    with pytest.raises(OSError):
        await asyncpg.connect(server.url().replace("+asyncpg", ""), timeout=5)


async def test_each_test_has_its_own_empty_database(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    tables = await connection.fetchval("select count(*) from information_schema.tables where table_schema = 'public'")
    await connection.close()
    assert tables == 0


def test_kind_of_server_can_be_set() -> None:
    assert postgres.choose({postgres.VARIABLE: "tree"}) == "tree"
    with pytest.raises(postgres.PostgresError, match="INNRINGING_POSTGRES"):
        postgres.choose({postgres.VARIABLE: "oracle"})
