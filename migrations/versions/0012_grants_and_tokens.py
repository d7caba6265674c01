"""Roles per department, and tokens in a table of their own; whoever could come in still can."""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WHEN = sa.DateTime(timezone=True)
WORKING = sa.text("revoked_at is null")
KEPT = ("id", "name", "phone", "created_at", "revoked_at")
AGENTS = sa.table(
    "agents",
    *(sa.column(name, kind) for name, kind in zip(KEPT, (SERIAL, sa.String(), sa.String(), WHEN, WHEN), strict=True)),
    sa.column("role", sa.String()),
    sa.column("departments", sa.JSON()),
    sa.column("token_hash", sa.LargeBinary()),
)


def upgrade() -> None:
    old = op.get_bind().execute(sa.select(AGENTS).order_by(AGENTS.c.id)).mappings().all()
    op.drop_table("agents")
    agents, grants, tokens = make_agents(), make_grants(), make_tokens()
    put(agents, [{name: row[name] for name in KEPT} for row in old])
    put(
        grants,
        [
            {"agent_id": row["id"], "role": row["role"], "department": department}
            for row in old
            for department in sorted(set(row["departments"]))
        ],
    )
    put(
        tokens,
        [
            {"agent_id": row["id"], "label": "first", "hash": row["token_hash"], "created_at": row["created_at"]}
            for row in old
        ],
    )
    count_on("agents")


def downgrade() -> None:
    """An agent keeps one role, and the first of its tokens that works; without one, none opens."""
    bind = op.get_bind()
    agents = (
        bind.execute(
            sa.text("select id, name, phone, created_at, revoked_at from agents order by id").columns(
                created_at=WHEN, revoked_at=WHEN
            )
        )
        .mappings()
        .all()
    )
    held = bind.execute(sa.text("select agent_id, role, department from grants order by role, department")).all()
    tokens = bind.execute(sa.text("select agent_id, hash from tokens where revoked_at is null order by id desc")).all()
    hashes = {row.agent_id: bytes(row.hash) for row in tokens}
    roles = {row.agent_id: row.role for row in reversed(held)}
    for table in ("tokens", "grants", "agents"):
        op.drop_table(table)
    put(
        make_old_agents(),
        [
            {
                **row,
                "role": roles.get(row["id"], "operator"),
                "departments": [
                    each.department for each in held if each.agent_id == row["id"] and each.role == roles[row["id"]]
                ],
                "token_hash": hashes.get(row["id"], secrets.token_bytes(32)),
            }
            for row in agents
        ],
    )
    count_on("agents")


def put(table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(table), rows)


def count_on(table: str) -> None:
    """PostgreSQL counts on from the ids that were put in; SQLite does so by itself."""
    if op.get_bind().dialect.name == "postgresql":
        last = f"coalesce((select max(id) from {table}), 0) + 1"
        op.execute(f"select setval(pg_get_serial_sequence('{table}', 'id'), {last}, false)")


def make_agents() -> sa.Table:
    made = op.create_table(
        "agents",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("phone", sa.String(length=32), nullable=True),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("revoked_at", WHEN, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sqlite_autoincrement=True,
    )
    name_once()
    return made


def make_grants() -> sa.Table:
    return op.create_table(
        "grants",
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_grants_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "role", "department", name=op.f("pk_grants")),
    )


def make_tokens() -> sa.Table:
    made = op.create_table(
        "tokens",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=True),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("expires_at", WHEN, nullable=True),
        sa.Column("revoked_at", WHEN, nullable=True),
        sa.Column("last_used_at", WHEN, nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_tokens_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_agent_id"), "tokens", ["agent_id"])
    return made


def make_old_agents() -> sa.Table:
    made = op.create_table(
        "agents",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("departments", sa.JSON(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("revoked_at", WHEN, nullable=True),
        sa.Column("phone", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_agents_token_hash")),
        sqlite_autoincrement=True,
    )
    name_once()
    return made


def name_once() -> None:
    op.create_index(
        "uq_agents_working_name", "agents", ["name"], unique=True, postgresql_where=WORKING, sqlite_where=WORKING
    )
