"""How kernels are compiled, and where their code is kept."""
