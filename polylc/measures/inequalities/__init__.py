"""The inequalities of docs/theory.md on one neighbourhood: both sides, enclosed, from one enumeration."""
