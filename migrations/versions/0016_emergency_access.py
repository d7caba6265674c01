"""Emergency access: who looked into a department not their own, why, and for how long; told live as history is.

A row of the history may be of a department as a whole, with no callback.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "emergency_access",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("until", WHEN, nullable=False),
        sa.Column("ended_at", WHEN, nullable=True),
        sa.Column("ended_by", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_emergency_access_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergency_access")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_emergency_access_department_id"), "emergency_access", ["department", "id"])
    op.create_index(op.f("ix_emergency_access_agent_id_until"), "emergency_access", ["agent_id", "until"])
    _of_a_callback(nullable=True)


def downgrade() -> None:
    op.execute("delete from history where callback_id is null")
    _of_a_callback(nullable=False)
    op.drop_table("emergency_access")


def _of_a_callback(*, nullable: bool) -> None:
    with op.batch_alter_table("history", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("callback_id", existing_type=sa.Uuid(as_uuid=False), nullable=nullable)
