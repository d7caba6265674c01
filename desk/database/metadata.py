"""What all tables share: the naming of constraints, serial numbers, and partial indexes."""

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, TextClause

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def serial() -> Column[Any]:
    """Make an id that grows with each row and is never reused. SQLite counts only in INTEGER columns."""
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def where(condition: TextClause) -> dict[str, Any]:
    """Limit an index to those rows, on both engines."""
    return {"postgresql_where": condition, "sqlite_where": condition}
