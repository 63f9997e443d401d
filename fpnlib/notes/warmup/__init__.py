"""Note 05: learning-rate warm-up."""
