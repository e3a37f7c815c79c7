"""The comparison: battles, votes, ratings, the leaderboard, its pages and its command line."""

__version__ = "0.1.0"
