"""The admin panel, over gRPC."""
