"""History in SQLite: schema, extraction from records, writing, queries, export.

Source: specs/archive.md.
"""
