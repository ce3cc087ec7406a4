"""The parameters of SSM Parameter Store."""
