"""Signing in with somebody else's account: OpenID Connect, authorization code with PKCE, state and nonce."""
