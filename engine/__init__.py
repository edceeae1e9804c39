"""The engine: owns the database, sends the messages, serves the gRPC control API."""
