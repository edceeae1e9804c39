"""Measurements. Each prints what it measured as a ratio within one run, which outlives the machine."""
