"""Note 02: the padding pitfall."""
