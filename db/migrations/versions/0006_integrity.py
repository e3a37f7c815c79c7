"""Integrity: where battles come from, what was asked, who named itself, and who decided whether a vote counts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ADDED: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "battle": {"network": sa.String(32), "prompt_key": sa.String(32)},
    "turn": {"named": sa.String()},
    "vote": {"rules": sa.Integer()},
    "voter": {"established_at": sa.DateTime(), "cleared_at": sa.DateTime()},
}
# By table: truths that are false of all rows there are.
FALSE = {"turn": "probe", "vote": "settled"}
INDEXES = {"network": "network IS NOT NULL", "prompt_key": "prompt_key IS NOT NULL"}


def upgrade() -> None:
    for table, columns in ADDED.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    for table, name in FALSE.items():
        op.add_column(table, sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
        with op.batch_alter_table(table) as batch:
            batch.alter_column(name, server_default=None)
    for name, known in INDEXES.items():
        condition = sa.text(known)
        op.create_index(
            f"ix_battle_{name}", "battle", [name, "created_at"], sqlite_where=condition, postgresql_where=condition
        )
    _index_voters("voter", "created_at")
    op.create_table(
        "network_key",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_network_key"),
    )


def downgrade() -> None:
    """What the rules have held counts again; what an administrator decided stays."""
    op.execute("UPDATE vote SET status = 'counted', reason = NULL WHERE rules IS NOT NULL AND NOT settled")
    op.drop_table("network_key")
    _index_voters("voter")
    for name in INDEXES:
        op.drop_index(f"ix_battle_{name}", "battle")
    for table, name in FALSE.items():
        with op.batch_alter_table(table) as batch:
            batch.drop_column(name)
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for name in columns:
                batch.drop_column(name)


def _index_voters(*columns: str) -> None:
    op.drop_index("ix_vote_voter", "vote")
    op.create_index("ix_vote_voter", "vote", columns)
