"""HTTP itself: who may connect, call and send how much, and what an error looks like. Knows no resource."""
