"""One id is in the logs of web, worker and delivery of a whole product."""

import json
from typing import Any

import pytest

from tests.embedded.running import wait_for
from tests.product.conftest import Stage
from tests.product.test_webhook_endpoints import echo, endpoint, of  # noqa: F401 - fixtures

pytestmark = [pytest.mark.product, pytest.mark.security]


def lines_with(stage: Stage, process: str, request_id: str) -> list[dict[str, Any]]:
    """The lines of one process that belong to a request."""
    text = (stage.installation.home.layout.logs / f"{process}.log").read_text(errors="replace")
    found = [json.loads(line) for line in text.splitlines() if request_id in line and line.startswith("{")]
    return [line for line in found if line["request_id"] == request_id]


def loggers(stage: Stage, process: str, request_id: str) -> set[str]:
    return {line["logger"] for line in lines_with(stage, process, request_id)}


def test_one_id_goes_from_the_request_to_the_delivery(stage: Stage, echo: str, endpoint: Any) -> None:  # noqa: F811
    task = stage.operator.run(echo, "Whatever.")["uuid"]
    assert stage.receiver.wait_for(lambda: bool(of(stage.receiver, task)))
    found: Any = stage.installation.home.sql(f"SELECT request_id FROM tasks WHERE uuid = '{task}'")
    request_id = found[0]
    assert len(request_id) == 32
    told = lines_with(stage, "web", request_id)
    assert [(line["method"], line["path"]) for line in told if line["logger"] == "personalq.access"] == [
        ("POST", "/api/v1/tasks")
    ]
    wanted = {"tasks.engine", "webhooks.outbound.turns"}
    wait_for(lambda: wanted <= loggers(stage, "worker", request_id), "the worker's lines about the request")
