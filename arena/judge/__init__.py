"""A model compares: questions → answers → judgments in both orders → report."""
