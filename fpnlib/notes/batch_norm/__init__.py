"""Note 06: batch normalisation."""
