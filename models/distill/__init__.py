"""How a small model learns from a large one: conversations → clean rows → adapter → catalogue entry, and its price."""
