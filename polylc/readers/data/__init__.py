"""Data files: points and labels, exact."""
