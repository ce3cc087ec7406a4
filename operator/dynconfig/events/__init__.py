"""AWS events: from the SQS queue to the objects that they concern."""
