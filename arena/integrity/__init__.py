"""Whose votes count: limits, networks, prompts, and a review that holds what a rigger would cast."""
