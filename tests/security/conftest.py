"""The emulated AWS of the tests of kinds, for tests that attack."""

from tests.kinds.conftest import lab, session, watch, workshop

__all__ = ["lab", "session", "watch", "workshop"]
