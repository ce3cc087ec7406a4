"""The heart: compares what is declared with what AWS says, and applies the difference."""
