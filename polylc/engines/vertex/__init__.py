"""The engine for low dimension: every cell is the skeleton of a simple polytope."""
