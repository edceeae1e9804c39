"""The gateway: what people and their programs talk to, over gRPC to the engine."""
