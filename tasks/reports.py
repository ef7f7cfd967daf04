"""Taking the reports of outside runners: is it genuine, and what does it say about the attempt."""

import re
from enum import Enum
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare

from accounts import credentials
from accounts.models import Credential, Provider
from accounts.secret_values import parts_of
from personalq.lib import redaction
from personalq.lib.shared_secrets import is_fit_to_prove
from tasks import lifecycle, targets
from tasks.claims import Claim, ClaimLost
from tasks.desk import digest_of
from tasks.masking import Mask
from tasks.models import Agent, ExpectedReport
from tasks.runners import RunFailed
from tasks.runners.web.reported import Reported

LONGEST_SECRET: Final = 1_000
PIECE_CHARACTERS: Final = 16_384
# As `tasks.desk` makes it.
_LIKE_OWN_SECRET: Final = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
# What is compared with when there is nothing to compare with, so that it takes as long.
_NO_DIGEST: Final = digest_of("")


class Proof(Enum):
    """What a secret that came with a report proves."""

    NOTHING = "nothing"
    ATTEMPT = "attempt"
    """That the sender got this attempt's work."""
    RUNNER = "runner"
    """That the sender is the agent's runner. Which attempt it means only the unguessable request id proves."""


def find(*, task: UUID, attempt: int) -> ExpectedReport | None:
    """The report that is or was expected about an attempt."""
    rows = ExpectedReport.objects.select_related("task__agent__credential").defer("task__prompt", "task__result")
    return rows.filter(task__uuid=task, attempt=attempt).first()


def proof_of(expected: ExpectedReport | None, secret: str) -> Proof:
    """What the secret proves. It takes as long for attempts that do not exist as for others."""
    if not secret or len(secret) > LONGEST_SECRET:
        return Proof.NOTHING
    given = digest_of(secret).encode()
    is_attempts = constant_time_compare(given, _digest_of_attempt(expected).encode())
    is_runners = constant_time_compare(given, _digest_of_runner(expected).encode())
    if is_attempts:
        return Proof.ATTEMPT
    return Proof.RUNNER if is_runners else Proof.NOTHING


def secrets_of(agent: Agent | None) -> list[str]:
    """What the agent's runner knows and must not bring into what is kept."""
    credential = _credential(agent)
    plain = _plain(credential) if credential is not None else ""
    return parts_of(credential.provider, plain) if credential is not None and plain else []


@transaction.atomic
def take(*, expected: ExpectedReport, report: Reported) -> bool:
    """End the attempt as the report says; False, and nothing has changed, when it is over already."""
    agent = expected.task.agent
    claim = Claim(task_id=expected.task_id, attempt=expected.attempt)
    secrets = [*secrets_of(agent), *_own_secret_in(report, expected.secret_digest)]
    try:
        # Known also where texts are cut, because half a secret is not found afterwards.
        with redaction.knows(*secrets):
            _end(claim, agent, report, Mask(secrets))
    except ClaimLost:
        return False
    ExpectedReport.objects.filter(pk=expected.pk).update(taken_at=Now())
    if agent is not None:
        targets.note_success(owner_id=expected.task.owner_id, base_url=targets.base_url_in(agent.config))
    return True


def _end(claim: Claim, agent: Agent | None, report: Reported, mask: Mask) -> None:
    output = mask.whole(report.output)
    kept = _cut(output, agent.output_limit_bytes) if agent is not None else output
    for start in range(0, len(kept), PIECE_CHARACTERS):
        lifecycle.record_output(claim=claim, text=kept[start : start + PIECE_CHARACTERS], offset=start)
    failure = report.failure(tolerates_stderr=agent is not None and bool(agent.config.get("tolerates_stderr")))
    if failure is None and len(kept) < len(output):
        failure = RunFailed("output_too_large", facts=report.told, usage=report.usage)
    if failure is None:
        lifecycle.complete(claim=claim, result=kept, usage=report.usage, **mask.facts(report.told))
        return
    lifecycle.fail(
        claim=claim,
        code=failure.code,
        detail=mask.whole(failure.detail),
        usage=failure.usage,
        retry_at=failure.retry_at,
        **mask.facts(failure.facts),
    )


def _own_secret_in(report: Reported, digest: str) -> set[str]:
    """The attempt's secret, if the runner brings it back within its report: only its digest is known here."""
    texts = [report.output, report.error, *(text for text in report.told.values() if isinstance(text, str))]
    found = {word for text in texts for word in _LIKE_OWN_SECRET.findall(text)}
    return {word for word in found if constant_time_compare(digest_of(word), digest)}


def _cut(text: str, limit_bytes: int) -> str:
    encoded = text.encode("utf-8", "replace")
    return encoded[:limit_bytes].decode("utf-8", "ignore")


def _digest_of_attempt(expected: ExpectedReport | None) -> str:
    return expected.secret_digest if expected is not None else _NO_DIGEST


def _digest_of_runner(expected: ExpectedReport | None) -> str:
    credential = _credential(expected.task.agent) if expected is not None else None
    if credential is None or credential.provider != Provider.RUNNER:
        return _NO_DIGEST
    plain = _plain(credential)
    return digest_of(plain) if is_fit_to_prove(plain) else _NO_DIGEST


def _credential(agent: Agent | None) -> Credential | None:
    return agent.credential if agent is not None else None


def _plain(credential: Credential) -> str:
    try:
        return credentials.reveal(credential)
    except credentials.CredentialUnreadable:
        # Logged there. A report that proves itself by the attempt's secret is none the worse for it.
        return ""
