"""Second factors of local accounts, and their recovery codes. Those there are go on with a password alone."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WHEN = sa.DateTime(timezone=True)
ACTIVE = sa.text("confirmed_at is not null")


def upgrade() -> None:
    op.create_table(
        "second_factors",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("confirmed_at", WHEN, nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_second_factors_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_factors")),
    )
    op.create_index(op.f("ix_second_factors_agent_id"), "second_factors", ["agent_id"])
    op.create_index(
        "uq_second_factors_active",
        "second_factors",
        ["agent_id"],
        unique=True,
        postgresql_where=ACTIVE,
        sqlite_where=ACTIVE,
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_recovery_codes_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("hash", name=op.f("uq_recovery_codes_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_recovery_codes_agent_id"), "recovery_codes", ["agent_id"])


def downgrade() -> None:
    """Who had one must be given another password: the one they have would open the account alone."""
    having = "select agent_id from second_factors where confirmed_at is not null"
    op.execute(f"update agents set password = null where id in ({having})")
    op.drop_table("recovery_codes")
    op.drop_table("second_factors")
