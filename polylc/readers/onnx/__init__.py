"""Models of ONNX: the file, its nodes, its operators."""
