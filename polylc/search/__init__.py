"""Which cells are explored, by whom, until when."""
