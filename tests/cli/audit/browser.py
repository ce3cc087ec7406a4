"""A page in headless Chromium, over the pipe of its DevTools protocol. https://chromedevtools.github.io/devtools-protocol/"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

Message = dict[str, Any]
# The only user of a container is often root, which Chromium's sandbox does not accept; the page is our own.
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


@dataclass
class Page:
    """One page. `requests` are the URLs that it requested, `violations` what its policy or a script reported."""

    sending: IO[bytes]
    receiving: IO[bytes]
    session: str = ""
    number: int = 0
    requests: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    loaded: int = 0

    def call(self, method: str, **params: Any) -> Message:
        """Send a command; return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.sending.write(json.dumps(message).encode() + b"\0")
        self.sending.flush()
        while (found := self._next()).get("id") != self.number:
            pass
        assert "error" not in found, found
        return dict(found["result"])

    def open(self, file: Path) -> None:
        """Load a file, and wait for its end."""
        before = self.loaded
        self.call("Page.navigate", url=file.as_uri())
        while self.loaded == before:
            self._next()

    def run(self, script: str) -> Any:
        """Return the value of an expression, or of the promise that it returns."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _next(self) -> Message:
        content = bytearray()
        while (byte := self.receiving.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            content += byte
        found: Message = json.loads(content)
        params = found.get("params", {})
        match found.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded":
                self.violations.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.violations.append(str(params))
            case "Page.loadEventFired":
                self.loaded += 1
        return found


@contextmanager
def page(chromium: Path, profile: Path) -> Iterator[Page]:
    """Run Chromium with an empty page until the `with` block ends."""
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()

    # Chromium reads commands from descriptor 3, and answers on descriptor 4.
    command = [
        "/bin/sh",
        "-c",
        f'exec "$0" "$@" 3</dev/fd/{theirs_in} 4>/dev/fd/{theirs_out}',
        str(chromium),
        *_OPTIONS,
    ]
    command += [f"--user-data-dir={profile}", "--remote-debugging-pipe"]
    process = subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL)
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        with os.fdopen(ours_out, "wb") as sending, os.fdopen(ours_in, "rb") as receiving:
            found = Page(sending, receiving)
            target = found.call("Target.createTarget", url="about:blank")["targetId"]
            found.session = found.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Runtime", "Log"):
                found.call(f"{domain}.enable")
            yield found
    finally:
        process.kill()
        process.wait()
