"""The actors that deliver messages, in the order a message meets them (see docs/one-message.md)."""
