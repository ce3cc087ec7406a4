"""Runs Lambda functions for real: AWS's own runtime client in a subprocess, with the extension."""
