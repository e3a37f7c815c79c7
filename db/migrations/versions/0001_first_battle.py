"""Contestants, battles, turns, votes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "contestant",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("quantization", sa.String(), nullable=False),
        sa.Column("license", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("identity", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_contestant"),
    )
    op.create_table(
        "battle",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("contestant_a", sa.String(64), nullable=False),
        sa.Column("contestant_b", sa.String(64), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('generating', 'open', 'stopped', 'voted', 'void')", name=op.f("ck_battle_status")
        ),
        sa.ForeignKeyConstraint(["contestant_a"], ["contestant.fingerprint"], name="fk_battle_contestant_a"),
        sa.ForeignKeyConstraint(["contestant_b"], ["contestant.fingerprint"], name="fk_battle_contestant_b"),
        sa.PrimaryKeyConstraint("id", name="pk_battle"),
    )
    op.create_index("ix_battle_voter", "battle", ["voter"])
    op.create_table(
        "turn",
        sa.Column("battle_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("answer_a", sa.String(), nullable=False),
        sa.Column("answer_b", sa.String(), nullable=False),
        sa.Column("reason_a", sa.String(), nullable=True),
        sa.Column("reason_b", sa.String(), nullable=True),
        sa.Column("tokens_a", sa.Integer(), nullable=True),
        sa.Column("tokens_b", sa.Integer(), nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint("status IN ('generating', 'finished', 'stopped', 'failed')", name=op.f("ck_turn_status")),
        sa.ForeignKeyConstraint(["battle_id"], ["battle.id"], name="fk_turn_battle_id"),
        sa.PrimaryKeyConstraint("battle_id", "position", "attempt", name="pk_turn"),
    )
    op.create_table(
        "vote",
        sa.Column("battle_id", sa.String(32), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("outcome IN ('a', 'b', 'tie', 'both_bad')", name=op.f("ck_vote_outcome")),
        sa.ForeignKeyConstraint(["battle_id"], ["battle.id"], name="fk_vote_battle_id"),
        sa.PrimaryKeyConstraint("battle_id", name="pk_vote"),
        sa.UniqueConstraint("sequence", name="uq_vote_sequence"),
    )
    op.create_index("ix_vote_voter", "vote", ["voter"])
    op.create_table(
        "counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )


def downgrade() -> None:
    for table in ("counter", "vote", "turn", "battle", "contestant"):
        op.drop_table(table)
