"""The managed Lambda function."""
