"""The panel for marketers and operators, at ``/admin/`` on the gateway's port; it reaches the engine over gRPC only."""
