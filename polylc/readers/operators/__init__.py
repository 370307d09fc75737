"""The operators, by subject: rows of the table of what is supported, each beside the function that lowers it.

A row says how ONNX and torch write an operator, what of it is read, or why it is refused and what to do instead. The
function knows neither format: it asks a `Call`. `polylc.readers.supported` collects the rows.
"""
