"""The `mailing` command: clients, mailings, messages and the engine from a terminal or a script, over gRPC.

Exit codes: 0 done, 1 the service refused or failed, 2 wrong usage, 3 the engine can't be reached, 130 Ctrl-C.
"""

from __future__ import annotations

import os

# gRPC reads this while it is imported; without, it logs each failed handshake beside our one line.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from cli.app import main

__all__ = ["main"]
