"""Keeping votes where the disk does not: a journal and snapshots in a private data set on the Hub."""
