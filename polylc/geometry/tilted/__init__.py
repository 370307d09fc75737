"""Shares of the cube [-1, 1]^k cut by a few half-spaces, and areas of its sections: enclosed by tilted lattice sums."""
