"""The emulated AWS of the kind tests for attack tests, and one control plane for those that need no operator."""

from tests.kinds.conftest import harness, lab, session, watch
from tests.upgrade.conftest import cluster, plane

__all__ = ["cluster", "harness", "lab", "plane", "session", "watch"]
