"""The leaderboard: votes in memory, selections of them, and the boards that ratings make of them."""
