"""Runs Lambda functions for real: AWS's own runtime client in a subprocess, and the extension beside it."""
