"""Accounts, sessions and API tokens: who is calling, and whether that is true."""
