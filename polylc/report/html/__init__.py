"""Reports to look at: one HTML file each, which needs nothing else."""
