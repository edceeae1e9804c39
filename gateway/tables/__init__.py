"""Clients as tables in files: bytes to text, text to rows, rows to the engine, and rows written again."""
