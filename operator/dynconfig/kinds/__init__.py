"""One file, one AWS kind: how it is desired, observed, put and deleted."""
