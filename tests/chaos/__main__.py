"""A campaign by command: `python -m tests.chaos --tasks 10000 --kills 200 --seed 1`, or `make chaos`.

Prints figures. Ends with status 1, and keeps the directory with all logs, when an invariant was broken.
"""

import argparse
import secrets
import shutil
import signal
import sys

from tests.chaos.campaign import Plan, carry_out
from tests.chaos.figures import tabulate
from tests.chaos.installation import make_directory
from tests.chaos.invariants import describe


def main() -> int:
    # Being asked to end must not leave a product behind that nobody knows of.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    plan = read_plan()
    directory = make_directory()
    sys.stdout.write(f"{plan}\nEverything is in {directory} meanwhile.\n")
    sys.stdout.flush()
    campaign = carry_out(plan, directory)
    sys.stdout.write(tabulate(campaign) + "\n")
    if campaign.violations:
        sys.stdout.write(f"\n{describe(campaign.violations)}\n\nKept: {directory}\n")
        return 1
    shutil.rmtree(directory)
    return 0


def read_plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Disturb a product while it works.")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20, help="with SIGKILL; other disturbances come on top")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="decides what happens when")
    parser.add_argument("--gap", type=float, default=Plan.gap_seconds, help="mean seconds between disturbances")
    parser.add_argument("--lease", type=int, default=Plan.lease_seconds, help="seconds of a lease")
    given = parser.parse_args()
    return Plan(tasks=given.tasks, kills=given.kills, seed=given.seed, gap_seconds=given.gap, lease_seconds=given.lease)


if __name__ == "__main__":
    sys.exit(main())
