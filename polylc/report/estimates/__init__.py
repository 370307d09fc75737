"""Reports of estimates, and of estimates beside the truth."""
