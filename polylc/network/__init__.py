"""The one internal form of a network, how it is built, evaluated and composed."""
