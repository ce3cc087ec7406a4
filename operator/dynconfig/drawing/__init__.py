"""Draws a dashboard as a picture. Knows the body of a dashboard and matplotlib, and nothing of AWS or of the clock."""
