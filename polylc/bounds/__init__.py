"""Bounds on forms over sets, in doubles, rigorous: what a search prunes with."""
