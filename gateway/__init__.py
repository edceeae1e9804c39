"""The gateway: what people and their programs talk to, over gRPC to the engine."""

import os

# gRPC's core writes a line to stderr for each connection that an idle engine closes, and no formatter of ours sees it.
# It reads this when it is imported, so it stands before all else; what an operator has set stays.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
