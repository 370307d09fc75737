"""A task to a result: one neighbourhood, one after another, side by side."""
