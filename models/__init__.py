"""Language models: the catalogue, the weights, the engines. Knows nothing of votes, databases or pages."""
