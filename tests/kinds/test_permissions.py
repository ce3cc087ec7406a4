"""The IAM policy asks for no more than the kinds call."""

import re
from pathlib import Path

from dynconfig.aws.permissions import ACCOUNT_ACTIONS, PARAMETER_ACTIONS

SOURCES = Path(__file__).parents[2] / "operator" / "dynconfig"


def test_every_allowed_action_is_called_somewhere() -> None:
    code = "".join(path.read_text() for folder in ("kinds", "aws") for path in (SOURCES / folder).glob("*.py"))
    called = set(re.findall(r"\.([a-z_]+)\(", code)) | set(re.findall(r'get_paginator\("([a-z_]+)"\)', code))
    for action in (*PARAMETER_ACTIONS, *ACCOUNT_ACTIONS):
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action.partition(":")[2]).lower()
        assert method in called, action
