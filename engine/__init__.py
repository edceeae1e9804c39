"""The engine: owns the database, sends the messages, and serves the gRPC control API."""

import os

# gRPC's core writes a line to stderr for each header that it can't read: anybody who reaches the port could fill the
# log.
# It reads this when it is imported, so it stands before all else; what an operator has set stays.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
