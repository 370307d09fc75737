"""Measures: plain functions of a complex. Definitions are those of docs/words.md."""
