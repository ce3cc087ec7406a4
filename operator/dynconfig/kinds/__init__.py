"""The AWS resource kinds, one per file: how each is desired, observed, put and deleted."""
