"""What of the conversations is worth learning; pure functions, each of which tells why it drops what."""
