"""Note 03: the segmentation head."""
