"""Bake time, rollback, and the labels on parameter versions that record both."""
