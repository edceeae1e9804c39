"""What people use instead of ours: the same read for scripts/bench/gateway.py (requirements/bench.txt), the same
messages for scripts/bench/senders.py (requirements/peers.txt)."""
