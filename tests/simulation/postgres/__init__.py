"""A PostgreSQL in one process and in virtual time: asyncpg's face before a model of rows, locks and sessions.

What it can and cannot say: docs/decisions/simulated-postgres.md. ``tests/store/test_model.py`` compares it with the
real one.
"""
