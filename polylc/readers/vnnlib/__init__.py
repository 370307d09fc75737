"""Queries of VNN-LIB: the dialect of VNN-COMP (1.0) and the standard (2.0)."""
