"""gRPC: thin servicers (convert, call, convert), errors, health, the server."""
