"""Note 09: on doing research."""
