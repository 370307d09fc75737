"""What goes into a proof file, and how it is written."""
