"""Measures of Jacobians: norms, spectra, Lipschitz constants."""
