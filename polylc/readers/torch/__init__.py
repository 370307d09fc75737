"""Models of torch: modules in memory, pickled modules, state dicts."""
