"""Figures of the leaderboard: hand-made plotly, readable on light and dark pages alike."""
