"""Note 04: the feature pyramid."""
