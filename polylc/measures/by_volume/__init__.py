"""Measures that volumes and areas weigh: local complexity, total and kink variation, noise."""
