"""What ratings read: labels and styles of turns, and votes that carry them; battles imported from elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LABELS = ("category", "language")
STYLES = ("length", "headings", "lists", "bold")
UNLABELLED = "status = 'finished' AND (category IS NULL OR length_a IS NULL)"
# A vote's own columns from its battle and its turns; labels and styles stay null until the turns are labelled.
FILL = """
UPDATE vote SET
    contestant_a = (SELECT contestant_a FROM battle WHERE battle.id = vote.battle_id),
    contestant_b = (SELECT contestant_b FROM battle WHERE battle.id = vote.battle_id),
    turns = (SELECT count(*) FROM turn WHERE turn.battle_id = vote.battle_id AND NOT turn.superseded)
"""


def upgrade() -> None:
    with op.batch_alter_table("battle") as battle:
        battle.alter_column("probability", existing_type=sa.Double(), nullable=True)
        battle.add_column(sa.Column("source", sa.String(), nullable=True))
    op.create_index("ix_battle_contestant_a", "battle", ["contestant_a", "contestant_b"])
    for table in ("turn", "vote"):
        for label in LABELS:
            op.add_column(table, sa.Column(label, sa.String(), nullable=True))
        for style in STYLES:
            for side in "ab":
                op.add_column(table, sa.Column(f"{style}_{side}", sa.Integer(), nullable=True))
    where = sa.text(UNLABELLED)
    keys = ["battle_id", "position", "attempt"]
    op.create_index("ix_turn_unlabelled", "turn", keys, sqlite_where=where, postgresql_where=where)
    for side in "ab":
        op.add_column("vote", sa.Column(f"contestant_{side}", sa.String(64), nullable=True))
    op.add_column("vote", sa.Column("turns", sa.Integer(), nullable=True))
    op.execute(FILL)
    with op.batch_alter_table("vote") as vote:
        for name in ("contestant_a", "contestant_b", "turns"):
            vote.alter_column(name, nullable=False)


def downgrade() -> None:
    """Imported battles stay, drawn with the probability 0."""
    for name in ("turns", "contestant_a", "contestant_b"):
        op.drop_column("vote", name)
    op.drop_index("ix_turn_unlabelled", "turn")
    for table in ("turn", "vote"):
        for name in (*LABELS, *(f"{style}_{side}" for style in STYLES for side in "ab")):
            op.drop_column(table, name)
    op.drop_index("ix_battle_contestant_a", "battle")
    op.execute("UPDATE battle SET probability = 0 WHERE probability IS NULL")
    with op.batch_alter_table("battle") as battle:
        battle.alter_column("probability", existing_type=sa.Double(), nullable=False)
        battle.drop_column("source")
