"""Computes status and Kubernetes Events from an outcome. Pure."""
