"""Draws a dashboard body as an image with matplotlib. Independent of AWS and the clock."""
