"""Model files and modules in, one internal form out; data files in, exact rows out.

One folder or file per format. Operators are rows of one table (`supported`, `operators`), lowered through
`polylc.network.builder` by functions that torch and ONNX share. Nothing heavy (torch, onnx) is imported before it is
needed.
"""
