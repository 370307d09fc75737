"""Exact arithmetic: rationals read from text and floats, integers for dyadic arrays. Knows nothing of networks."""
