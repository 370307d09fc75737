"""Engines: each explores the decision tree of one neighbourhood and speaks the contract in `contract`."""
