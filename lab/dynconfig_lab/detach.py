"""Starts a command in a new session, which outlives the caller, and prints its process id.

Run by path like `child_guard.py`: `python detach.py <log> <command> …`. The caller waits for this process only, so
the command becomes a child of init, which collects its exit code.
"""

import subprocess
import sys


def main(log: str, command: list[str]) -> None:
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    sys.stdout.write(str(process.pid))
    process.returncode = 0  # suppresses Python's warning about the running child, which is intended


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
