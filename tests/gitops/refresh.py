"""`make argocd`: regenerates what is derived from the Lua scripts and the operator's statuses.

The required health of an object is in `objects.py`, not here; the messages are those of the scripts.
"""

import copy
from typing import Any

from tests.gitops import customization, lua, objects

Document = dict[str, Any]

TESTDATA = "testdata"
ACTION_CASES = {
    "reconcile": ("in_sync", "reconciled"),
    "suspend": ("in_sync", "suspended"),
    "resume": ("suspended", "resumed"),
}


def files() -> dict[str, str]:
    """Every generated file below the customization's folder, with its text."""
    found = {f"{TESTDATA}/{name}.yaml": customization.dump(case.make()) for name, case in objects.cases().items()}
    found["health_test.yaml"] = customization.dump({"tests": [_health_test(case) for case in objects.cases().values()]})
    for obj in ("in_sync", "suspended"):
        found[f"actions/{TESTDATA}/{obj}.yaml"] = customization.dump(objects.cases()[obj].make())
    for action, (before, after) in ACTION_CASES.items():
        found[f"actions/{TESTDATA}/{after}_by_action.yaml"] = customization.dump(_after(action, before))
    return found


def _health_test(case: objects.Case) -> Document:
    message = lua.run(customization.lua("health.lua"), case.make())["message"]
    return {
        "healthStatus": {"status": case.argocd, "message": message},
        "inputPath": f"{TESTDATA}/{case.name}.yaml",
    }


def _after(action: str, before: str) -> Document:
    """The object after the action: computed in Python, independently of the script."""
    found = copy.deepcopy(objects.cases()[before].make())
    if action == "reconcile":
        found["metadata"]["annotations"] = {"dynconfig.dev/reconcile-requested-at": lua.NOW}
    else:
        found["spec"]["suspend"] = action == "suspend"
    return found


def main() -> None:
    """Write the files."""
    for name, text in files().items():
        (customization.FOLDER / name).write_text(text)
    customization.CONFIG_MAP.write_text(customization.config_map())


if __name__ == "__main__":
    main()
