"""Click to call: what agents have asked to be dialled, and the phones they are rung at."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ACTIVE = sa.text("state <> 'ended'")
REQUESTED = sa.text("state = 'requested'")


def upgrade() -> None:
    op.add_column("agents", sa.Column("phone", sa.String(length=32), nullable=True))
    op.create_table(
        "dials",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("agent_phone", sa.String(length=32), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("phone_mobile", sa.Boolean(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.String(length=128), nullable=True),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("seen_at", "cancel_at", "rung_at", "bridged_at", "ended_at")
        ),
        sa.CheckConstraint("(state = 'ended') = (reason is not null)", name=op.f("ck_dials_reason")),
        sa.CheckConstraint("(state = 'ended') = (ended_at is not null)", name=op.f("ck_dials_ended_at")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_dials_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dials")),
    )
    op.create_index(op.f("ix_dials_callback_id_requested_at"), "dials", ["callback_id", "requested_at"])
    op.create_index(op.f("ix_dials_phone_rung_at"), "dials", ["phone", "rung_at"])
    op.create_index("ix_dials_agent_requested_at", "dials", ["agent", "requested_at"])
    op.create_index("ix_dials_requested", "dials", ["requested_at"], postgresql_where=REQUESTED, sqlite_where=REQUESTED)
    for name in ("callback_id", "agent"):
        op.create_index(
            f"uq_dials_active_{name.removesuffix('_id')}",
            "dials",
            [name],
            unique=True,
            postgresql_where=ACTIVE,
            sqlite_where=ACTIVE,
        )


def downgrade() -> None:
    op.drop_table("dials")
    op.drop_column("agents", "phone")
