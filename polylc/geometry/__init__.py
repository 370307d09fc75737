"""Neighbourhoods and polytopes."""
