"""A Kubernetes controller for dynamic configuration in AWS Systems Manager Parameter Store."""

__version__ = "0.2.0"
