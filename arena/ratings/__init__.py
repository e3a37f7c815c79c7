"""Votes → Elo, Bradley–Terry, intervals, ranks. Pure: no clock, disk or database."""
