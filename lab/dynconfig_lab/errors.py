"""What the lab says when it cannot go on: messages for the person at the terminal."""


class LabError(Exception):
    """Its text is shown as it stands, without a traceback, and says what to do."""


class NotReady(LabError):
    """A process died or was not ready in time."""


class BuildFailed(LabError):
    """Go, or pip fetching Go, ended with an error."""
