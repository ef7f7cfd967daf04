"""Zones: names from the list and nothing else."""

import os
import subprocess
import sys

import pytest

from personalq.lib.errors import InvalidInput
from tasks import timing


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "../../etc/passwd", "/etc/localtime", "Europe/../../etc/passwd", "Europe", "localtime", "posixrules",
        "Factory", "Europe/Berlin\n", "Europe/Berlin\x00", "Mars/Olympus", "UTC+1", "tzdata.zi", "E" * 10_000,
    ],
)  # fmt: skip
def test_unknown_zone_is_refused_with_advice(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        timing.zone_named(name, field="viewer_zone")
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("viewer_zone", "unknown_zone")
    assert "such as Europe/Berlin or UTC" in error.message


def test_name_in_other_case_gets_the_right_one() -> None:
    with pytest.raises(InvalidInput) as caught:
        timing.zone_named("europe/berlin")
    assert "Did you mean Europe/Berlin?" in caught.value.errors[0].message


def test_zones_are_listed_by_name() -> None:
    names = timing.zone_names()
    assert list(names) == sorted(names)
    assert {"UTC", "Europe/Berlin", "America/St_Johns"} <= set(names)


def test_zones_are_known_on_a_machine_that_brings_none() -> None:
    script = "from tasks import timing; print(len(timing.zone_names()), timing.zone_named('Europe/Berlin'))"
    environment = {**os.environ, "PYTHONTZPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    count, zone = done.stdout.split()
    assert (int(count) > 500, zone) == (True, "Europe/Berlin")
