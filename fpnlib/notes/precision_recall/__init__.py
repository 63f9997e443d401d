"""Note 01: precision and recall."""
