"""The attachment to an existing Lambda function."""
