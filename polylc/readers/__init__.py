"""Model files and modules in, one internal form out; data files in, exact rows out.

One file per format, all lowering through `polylc.network.builder`. Nothing heavy (torch, onnx) is imported before it is needed.
"""
