"""Note 08: what is hard in semantic segmentation."""
