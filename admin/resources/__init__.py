"""What the panel shows and changes, one file a thing; each is a resource of aiohttp-admin over the engine's gRPC."""
