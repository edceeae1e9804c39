"""The same read in other frameworks, for scripts/bench/gateway.py. They need requirements/bench.txt."""
