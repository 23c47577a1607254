"""Plays a scenario against a running server and looks at each effect from the other side.

Each step prints ``ok NAME``. Where the server shall be restarted, ``want kill`` or ``want stop`` is
printed, and a line on standard input says that it is done. The first failure ends the scenario with
exit code 1, and says what was expected and what came.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import traceback

import deliveries
import refusals
import reports
import restarts
import sessions
from desk import Desk, Failed

STEPS = [*sessions.STEPS, *deliveries.STEPS, *refusals.STEPS, *reports.STEPS, *restarts.STEPS]


def main() -> int:
    """Runs all steps."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bootstrap", type=pathlib.Path, required=True, metavar="FILE")
    arguments.add_argument("--folder", type=pathlib.Path, help="where devices keep their state")
    arguments.add_argument(
        "--without-restarts", action="store_true", help="leave out what needs a restart"
    )
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        desk = Desk(chosen.bootstrap, chosen.folder or pathlib.Path(aside))
        try:
            return run(desk, chosen.without_restarts)
        finally:
            desk.stop()


def run(desk: Desk, without_restarts: bool) -> int:
    """The steps in their order, up to the first that fails."""
    for step in STEPS:
        if without_restarts and step in restarts.STEPS:
            continue
        try:
            step(desk)
        except Failed as failure:
            print(f"failed {step.__name__}: {failure}", flush=True)
            return 1
        except Exception:
            print(f"failed {step.__name__}: {traceback.format_exc()}", flush=True)
            return 1
        print(f"ok {step.__name__}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
