"""The contract's Python stubs. The folder mirrors the proto package, so generated imports work as they are."""
