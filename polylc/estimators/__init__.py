"""Estimators: sampled answers to the questions that `certify` answers exactly, in torch, on CPU or CUDA.

They read a network and a neighbourhood and nothing else, so what they say can be held against the truth. `methods.py`
is the list; docs/estimators.md says of each what it estimates, and how it errs.
"""
