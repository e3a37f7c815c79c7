"""Alembic's entry; `db/schema.py` calls it with a connection of the writer."""

from alembic import context

from db.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    # Our own BEGIN IMMEDIATE makes SQLite's DDL transactional: a killed migration leaves nothing behind.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
