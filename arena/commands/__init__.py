"""What the verbs of `python -m arena` share, and those that make a group."""
