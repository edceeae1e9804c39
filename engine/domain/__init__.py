"""Pure rules: no await, no I/O, no clock, no random; time and jitter come in as arguments."""
