"""GitLab: the secret itself in `X-Gitlab-Token`; `X-Gitlab-Event`; an id that stays the same when it is sent again.

Nothing is signed, so whoever reads one request has the secret: such a door is as good as its TLS.
Source: https://docs.gitlab.com/user/project/integrations/webhooks/.
"""

from collections.abc import Mapping
from typing import Any, Final

from personalq.lib.shared_secrets import verify_secret
from webhooks.doors.signatures.base import Arrival
from webhooks.models import Door

TOKEN: Final = "X-Gitlab-Token"
EVENT: Final = "X-Gitlab-Event"
IDS: Final = ("Idempotency-Key", "X-Gitlab-Event-UUID")


def proof_header(door: Door | None) -> str:  # noqa: ARG001 - the same for all
    return TOKEN


def verify(secret: str, arrival: Arrival) -> bool:
    return verify_secret(secret, arrival.header(TOKEN))


def key_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    # The first is of one delivery to one address; the second is shared by all that one event sets off.
    return next((value for name in IDS if (value := arrival.header(name))), "")


def signs_key() -> bool:
    return False


def event_of(arrival: Arrival, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - a scheme's signature
    return arrival.header(EVENT) or ""


def ignored_because(event: str) -> str:  # noqa: ARG001 - a scheme's signature
    return ""
