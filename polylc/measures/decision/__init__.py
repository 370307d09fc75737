"""Decision regions: their parts, their holes, and how firmly they hold (docs/exactness.md, "Topology")."""
