"""What an answer took: prompt tokens, seconds to the first token and to the end, joules; null for older turns."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBERS = ("first_token_seconds", "seconds", "joules")


def upgrade() -> None:
    for side in "ab":
        op.add_column("turn", sa.Column(f"prompt_tokens_{side}", sa.Integer(), nullable=True))
        for name in NUMBERS:
            op.add_column("turn", sa.Column(f"{name}_{side}", sa.Double(), nullable=True))


def downgrade() -> None:
    for side in "ab":
        for name in ("prompt_tokens", *NUMBERS):
            op.drop_column("turn", f"{name}_{side}")
