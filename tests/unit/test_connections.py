"""Which addresses of the database and of Asterisk are allowed in production."""

import pytest

from desk.errors import SettingsError
from desk.settings.outgoing import check_connections
from desk.settings.settings import Settings

HERE = "postgresql+asyncpg://u:secret@127.0.0.1/innringing"
ARI = "http://127.0.0.1:8088"


@pytest.mark.parametrize(
    ("database", "ari"),
    [
        (HERE, ARI),
        ("sqlite+aiosqlite:////srv/innringing.db", "http://localhost:8088"),
        ("postgresql+asyncpg://u:p@[::1]:5432/innringing", "http://[::1]:8088"),
        ("postgresql+asyncpg:///innringing?host=/run/postgresql", "https://pbx.example.org:8089"),
        ("postgresql+asyncpg://u:p@db/innringing?ssl=verify-full", ARI),
        ("postgresql+asyncpg://u:p@10.0.0.7/innringing?ssl=disable", ARI),
    ],
)
def test_local_or_encrypted_address_is_accepted(database: str, ari: str) -> None:
    check_connections(database, ari)


@pytest.mark.parametrize(
    ("database", "ari", "named"),
    [
        ("postgresql+asyncpg://u:secret@db/innringing", ARI, "DATABASE_URL"),
        ("postgresql+asyncpg://u:secret@10.0.0.7/innringing?ssl=prefer", ARI, "DATABASE_URL"),
        ("postgresql+asyncpg://u:secret@10.0.0.7/innringing?ssl=require", ARI, "DATABASE_URL"),
        ("postgresql+asyncpg://u:secret@10.0.0.7/innringing?ssl=verify-ca", ARI, "DATABASE_URL"),
        ("postgresql+asyncpg:///innringing?user=u&password=secret&host=db", ARI, "DATABASE_URL"),
        (HERE, "http://pbx.example.org:8088", "ARI_URL"),
        (HERE, "http://127.0.0.1.example.org:8088", "ARI_URL"),
    ],
)
def test_unencrypted_address_is_refused_without_showing_its_password(database: str, ari: str, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_connections(database, ari)
    assert f"INNRINGING_{named}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_address_of_the_owners_database_is_checked_too() -> None:
    with pytest.raises(SettingsError, match="INNRINGING_MIGRATION_URL: the database is on another machine"):
        check_connections(HERE, ARI, "postgresql+asyncpg://owner:secret@db/innringing")


def test_production_checks_addresses_and_the_demo_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNRINGING_DATABASE_URL", "postgresql://u:secret@db/innringing")
    monkeypatch.setenv("INNRINGING_ENVIRONMENT", "production")
    with pytest.raises(SettingsError, match="ssl=verify-full"):
        Settings.load(need_keys=False)
    monkeypatch.setenv("INNRINGING_DATABASE_URL", "postgresql://u:secret@db/innringing?ssl=verify-full")
    assert Settings.load(need_keys=False).database.url.endswith("ssl=verify-full")
