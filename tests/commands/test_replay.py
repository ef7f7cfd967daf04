"""Every recorded run of an older script, done by ours: the same but for what is known to be better."""

import pytest
from pytest_django import Settings

from tests.commands import table
from tests.commands.recorded import DIFFERENCES, outline, recorded_runs
from tests.commands.replay import RUNNER, TARGETS, by_client, by_command, replay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recorded_addresses(settings: Settings) -> None:
    settings.PERSONALQ_INTERNAL_HOSTS = [*TARGETS]
    settings.PERSONALQ_CURSOR_RUNNER_URL = RUNNER


def different(pairs: table.Pairs) -> set[str]:
    """The cases that end differently. Whatever the end, it is clean."""
    found = set()
    for recorded, ours in pairs:
        assert ours.out == "" or isinstance(ours.out, dict) or recorded.case.startswith("help:"), ours
        assert (ours.err != "") == (ours.code != 0), ours
        assert isinstance(ours.err, dict) or ours.code != 1, ours
        if outline(recorded) != outline(ours):
            found.add(recorded.case)
    return found


def test_all_scripts_were_recorded_well_and_badly() -> None:
    runs = recorded_runs()
    assert len(runs) == 72
    assert len({run.script for run in runs}) == 11


def test_client_does_what_the_scripts_did_and_the_table_shows_it(
    address: str, token: str, request: pytest.FixtureRequest
) -> None:
    pairs = list(replay(by_client(address, token)))
    assert different(pairs) == set(DIFFERENCES)
    if request.config.getoption(table.OPTION, default=False):
        table.write(pairs)
    assert table.standing() == table.rendered(pairs), "python -m tests.commands.table writes the table anew"


@pytest.mark.usefixtures("operator", "recorded_addresses")
def test_commands_do_what_the_scripts_did() -> None:
    without_server = {run.case for run in recorded_runs() if run.needs_server_down}
    assert different(list(replay(by_command))) - without_server == set(DIFFERENCES) - without_server


def test_everybody_named_in_a_difference_was_recorded() -> None:
    assert set(DIFFERENCES) <= {run.case for run in recorded_runs()}
