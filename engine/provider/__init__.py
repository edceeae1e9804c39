"""The third-party APIs that send a text, one file each, behind ``engine.ports.Provider``."""
