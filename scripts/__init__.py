"""Commands and tools around the service; nothing here runs in production."""
