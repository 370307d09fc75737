"""The sets in which a network is studied, with rational data."""
