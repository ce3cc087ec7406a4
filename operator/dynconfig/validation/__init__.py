"""Checks of an object before anything is written, and its conversion to a declaration."""
