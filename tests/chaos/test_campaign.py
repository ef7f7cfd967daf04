"""A short campaign against the real product. The long one: `make chaos TASKS=10000 KILLS=200 SEED=1`."""

import shutil
import sys

import pytest

from tests.chaos.campaign import Plan, carry_out
from tests.chaos.figures import find_recoveries, tabulate
from tests.chaos.installation import make_directory
from tests.chaos.invariants import describe

PLAN = Plan(tasks=300, kills=8, seed=20, gap_seconds=2.0)


@pytest.mark.chaos
@pytest.mark.parametrize("plan", [PLAN], ids=lambda plan: f"seed {plan.seed}")
def test_nothing_is_lost_and_nothing_doubled_whatever_is_killed(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    # Not below pytest's own: the names of sockets would get too long. It stays when something is wrong.
    directory = make_directory()
    campaign = carry_out(plan, directory)
    with capsys.disabled():
        sys.stdout.write(f"\n{tabulate(campaign)}\n")
    assert not campaign.violations, f"{plan}, logs in {directory}:\n{describe(campaign.violations)}"
    assert len(campaign.asked.accepted) == plan.tasks
    assert campaign.kills == plan.kills
    # Otherwise nothing was put to the test.
    assert list(find_recoveries(campaign.done, campaign.history))
    shutil.rmtree(directory)
