"""`dynconfig uninstall` beside a running operator: objects that no longer exist are no error."""

from collections.abc import Mapping
from typing import Any

import pytest

from dynconfig.api import names
from dynconfig.kube.responses import ApiRefused, Document
from dynconfig.kube.writer import Writer
from dynconfig.model.key import Key

KEY = Key("shop", "myapp")


class RefusedWriter(Writer):
    """Return an API server whose object can be read, and which rejects each write with a status code."""

    def __init__(self, code: int) -> None:
        self.code = code

    def object(self, key: Key) -> Document | None:
        """The object, with its finalizer."""
        return {"metadata": {"uid": "uid-1", "resourceVersion": "1", "finalizers": [names.FINALIZER]}}

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None, **_: Any) -> Document:
        raise ApiRefused(self.code, "refused")


def test_objects_that_no_longer_exist_are_no_error() -> None:
    writer = RefusedWriter(404)
    writer.abandon(KEY)
    writer.delete(KEY, "uid-1")
    writer.release(KEY, "uid-1")


@pytest.mark.parametrize("verb", ["abandon", "delete", "release"])
def test_other_rejections_are_errors(verb: str) -> None:
    arguments = (KEY,) if verb == "abandon" else (KEY, "uid-1")
    with pytest.raises(ApiRefused):
        getattr(RefusedWriter(403), verb)(*arguments)
