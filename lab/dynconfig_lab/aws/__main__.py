"""`python -m dynconfig_lab.aws`: the emulated AWS as a separate process."""

import argparse
import json
import logging
import signal
import sys
import threading

from dynconfig_lab.aws.server import HOST, AwsLab, CannotListen


def main() -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP."""
    parser = argparse.ArgumentParser(prog="python -m dynconfig_lab.aws", description=__doc__)
    parser.add_argument("--aws-port", type=int, default=0, help="port of AWS; any free one if left out")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control interface; likewise")
    parser.add_argument("--address", default=HOST, help="where to listen; 0.0.0.0 for all, in a container")
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    try:
        with AwsLab.start(wanted.aws_port, wanted.control_port, wanted.address) as lab:
            print(json.dumps({"aws": lab.endpoint, "control": lab.control_url}), flush=True)  # noqa: T201 - its purpose
            ended.wait()
    except CannotListen as error:
        sys.exit(f"{error} (--aws-port {wanted.aws_port}, --control-port {wanted.control_port})")
    except OSError as error:
        sys.exit(f"The emulated AWS cannot go on: {error}")


if __name__ == "__main__":
    main()
