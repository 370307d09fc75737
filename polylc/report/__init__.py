"""What users get: results, the JSON schema, tables, figures, graph files. Reads complexes and measures, never
engines.
"""
