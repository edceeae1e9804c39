"""REST: each module has the routes of one kind of thing, each route one RPC (docs/behaviour.md, section 5)."""
