"""The Evaluation page: what judges say of the contestants, and how far they can be trusted."""
