"""What the front page shows beside the notes."""
