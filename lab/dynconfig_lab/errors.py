"""Errors of the lab: messages for its user."""


class LabError(Exception):
    """The text is printed without a traceback, and includes what to do."""


class NotReady(LabError):
    """A process exited or was not ready in time."""


class BuildFailed(LabError):
    """Go, or pip fetching Go, failed."""
