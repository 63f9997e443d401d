"""Note 07: add or concatenate."""
