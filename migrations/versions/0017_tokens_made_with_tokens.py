"""A token that was made with another is known by it, and ends with it."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIKE_BEFORE = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("tokens", table_kwargs=LIKE_BEFORE) as batch:
        batch.add_column(sa.Column("given_by", SERIAL, nullable=True))
        batch.create_foreign_key(op.f("fk_tokens_given_by_tokens"), "tokens", ["given_by"], ["id"])
    op.create_index(op.f("ix_tokens_given_by"), "tokens", ["given_by"])


def downgrade() -> None:
    op.drop_index(op.f("ix_tokens_given_by"), "tokens")
    with op.batch_alter_table("tokens", table_kwargs=LIKE_BEFORE) as batch:
        batch.drop_constraint(op.f("fk_tokens_given_by_tokens"), type_="foreignkey")
        batch.drop_column("given_by")
