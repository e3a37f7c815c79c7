"""The judge: questions, answers to them, judgments; and battles on stored answers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ON_QUESTION = sa.text("question_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "question",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("set", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("turns", sa.JSON(), nullable=False),
        sa.Column("reference", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_question"),
    )
    op.create_table(
        "answer",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("question_id", sa.String(64), nullable=False),
        sa.Column("contestant", sa.String(64), nullable=False),
        sa.Column("turns", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("status IN ('finished', 'failed')", name=op.f("ck_answer_status")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_answer_question_id"),
        sa.ForeignKeyConstraint(["contestant"], ["contestant.fingerprint"], name="fk_answer_contestant"),
        sa.PrimaryKeyConstraint("id", name="pk_answer"),
        sa.UniqueConstraint("question_id", "contestant", name="uq_answer_question_id"),
    )
    op.create_index("ix_answer_contestant", "answer", ["contestant"])
    _create_judgment()
    with op.batch_alter_table("battle") as batch:
        batch.add_column(sa.Column("question_id", sa.String(64), nullable=True))
        batch.create_foreign_key("fk_battle_question_id", "question", ["question_id"], ["id"])
    op.create_index(
        "ix_battle_question_id", "battle", ["question_id"], sqlite_where=ON_QUESTION, postgresql_where=ON_QUESTION
    )


def _create_judgment() -> None:
    named = ("judge", "contestant_a", "contestant_b")
    answers = ("answer_a", "answer_b")
    op.create_table(
        "judgment",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("judge", sa.String(64), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("wording", sa.String(), nullable=False),
        sa.Column("question_id", sa.String(64), nullable=True),
        sa.Column("battle_id", sa.String(32), nullable=True),
        sa.Column("contestant_a", sa.String(64), nullable=False),
        sa.Column("contestant_b", sa.String(64), nullable=True),
        sa.Column("answer_a", sa.String(32), nullable=True),
        sa.Column("answer_b", sa.String(32), nullable=True),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("score_a", sa.Double(), nullable=True),
        sa.Column("score_b", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reply", sa.String(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("cost", sa.Double(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("form IN ('score', 'pairwise', 'single')", name=op.f("ck_judgment_form")),
        sa.CheckConstraint("first IN ('a', 'b')", name=op.f("ck_judgment_first")),
        sa.CheckConstraint("status IN ('done', 'failed')", name=op.f("ck_judgment_status")),
        sa.CheckConstraint("outcome IN ('a', 'b', 'tie')", name=op.f("ck_judgment_outcome")),
        sa.CheckConstraint("(question_id IS NULL) <> (battle_id IS NULL)", name=op.f("ck_judgment_of_one")),
        sa.CheckConstraint("(contestant_b IS NULL) = (form = 'single')", name=op.f("ck_judgment_single")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_judgment_question_id"),
        sa.ForeignKeyConstraint(["battle_id"], ["battle.id"], name="fk_judgment_battle_id"),
        *(sa.ForeignKeyConstraint([name], ["contestant.fingerprint"], name=f"fk_judgment_{name}") for name in named),
        *(sa.ForeignKeyConstraint([name], ["answer.id"], name=f"fk_judgment_{name}") for name in answers),
        sa.PrimaryKeyConstraint("key", name="pk_judgment"),
    )
    for name in ("judge", "question_id", "battle_id"):
        op.create_index(f"ix_judgment_{name}", "judgment", [name])


def downgrade() -> None:
    """Battles on stored answers stay as battles; everything that judges said is gone."""
    op.drop_index("ix_battle_question_id", "battle")
    with op.batch_alter_table("battle") as batch:
        batch.drop_constraint("fk_battle_question_id", type_="foreignkey")
        batch.drop_column("question_id")
    for table in ("judgment", "answer", "question"):
        op.drop_table(table)
