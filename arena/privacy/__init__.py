"""What visitors entrust to the arena: how long it is kept, how it is taken back, and what is hidden of it."""
