"""Who counts: votes with a status, voters that are known or excluded, contestants off or with a weight."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# By table: the new columns, each with its type, what it says of the rows there are, and its rule.
ADDED: dict[str, dict[str, tuple[sa.types.TypeEngine[Any], str, str | None]]] = {
    "vote": {
        "status": (sa.String(), "'counted'", "status IN ('counted', 'held', 'excluded')"),
        "verified": (sa.Boolean(), "FALSE", None),
    },
    "contestant": {
        "state": (sa.String(), "'on'", "state IN ('on', 'off', 'archived')"),
        "weight": (sa.Double(), "1", "weight >= 0"),
    },
}


def upgrade() -> None:
    op.create_table(
        "voter",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("excluded_at", sa.DateTime(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_voter"),
    )
    op.create_index("ix_battle_created_at", "battle", ["created_at"])
    op.add_column("vote", sa.Column("reason", sa.String(), nullable=True))
    for table, columns in ADDED.items():
        for name, (kind, _, _) in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
        values = ", ".join(f"{name} = {value}" for name, (_, value, _) in columns.items())
        op.execute(f"UPDATE {table} SET {values}")  # noqa: S608
        with op.batch_alter_table(table) as batch:
            for name, (_, _, rule) in columns.items():
                batch.alter_column(name, nullable=False)
                if rule:
                    batch.create_check_constraint(op.f(f"ck_{table}_{name}"), rule)


def downgrade() -> None:
    """Every vote counts then, whatever was said against it."""
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for name, (_, _, rule) in columns.items():
                if rule:
                    batch.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
                batch.drop_column(name)
    op.drop_column("vote", "reason")
    op.drop_index("ix_battle_created_at", "battle")
    op.drop_table("voter")
