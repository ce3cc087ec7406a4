"""A laptop-sized AWS and Kubernetes for the demo, the tests and local development."""
