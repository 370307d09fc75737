"""The engine for any dimension: every cell has a small simplex dictionary."""
