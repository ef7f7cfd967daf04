"""Trying an agent out: one cheap real call with its settings and its credential, without a task."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from asgiref.sync import async_to_sync
from django.views.decorators.debug import sensitive_variables

from accounts import credentials
from accounts.models import User
from accounts.secret_values import parts_of
from personalq.lib import database_guards, http, redaction
from tasks import failures
from tasks.masking import Mask
from tasks.models import Agent
from tasks.runners import CheckRequest, RunFailed, Runner, checked_config, runner_for

TEST_SECONDS: Final = 15
TIMED_OUT: Final = "test_timed_out"
_OWN_SENTENCES: Final = {
    TIMED_OUT: f"There was no answer within {TEST_SECONDS} seconds. Check the address, or try again.",
}
CODES: Final = ("ok", *_OWN_SENTENCES, *sorted(failures.FAILURES))

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How it went: `ok`, or the code of a failure and its fixed sentence."""

    is_ok: bool
    code: str
    sentence: str
    duration_ms: int


@sensitive_variables()
def try_out(*, actor: User, agent: Agent) -> Trial:
    """Make the call, at most 15 seconds long. Nothing of a task, a prompt or a conversation is sent.

    Whatever goes wrong is told by its code; nothing is raised.
    """
    began = time.monotonic()
    try:
        with http.calling_for(http.Cause(owner_id=agent.owner_id, noun="agent", uuid=agent.uuid)):
            code, sentence = "ok", _check(agent)
    except RunFailed as failure:
        code, sentence = failure.code, sentence_for(failure.code)
    except Exception:
        # What a runner or a library did not foresee must not look like a defect of the page.
        _logger.exception("trying agent %s out broke", agent.uuid)
        code, sentence = "internal_error", sentence_for("internal_error")
    _logger.info("agent %s was tried out by %s (%s)", agent.uuid, actor.uuid, code)
    duration = int((time.monotonic() - began) * 1000)
    return Trial(is_ok=code == "ok", code=code, sentence=sentence, duration_ms=duration)


def sentence_for(code: str) -> str:
    """The fixed sentence for a code of `CODES`."""
    return _OWN_SENTENCES.get(code) or failures.sentence_for(code)


@sensitive_variables()
def _check(agent: Agent) -> str:
    runner = runner_for(agent.kind)
    config = checked_config(runner, agent.config)
    credential = agent.credential
    if credential is None:
        if runner.needs_credential(config):
            raise RunFailed("credential_missing")
        return _call(runner, CheckRequest(config=config))
    try:
        plain = credentials.reveal(credential)
    except credentials.CredentialUnreadable:
        raise RunFailed("credential_unreadable") from None
    credentials.note_use(credential.pk)
    parts = parts_of(credential.provider, plain)
    with redaction.knows(plain, *parts):
        return Mask((plain, *parts)).whole(_call(runner, CheckRequest(config=config, secret=plain)))


@sensitive_variables()
def _call(runner: Runner, request: CheckRequest) -> str:
    # A few calls that nobody answers would keep every connection from everybody else.
    database_guards.let_go()
    # On a loop of its own: a check that blocks must not keep the server's loop from others.
    said: str = async_to_sync(_bounded, force_new_loop=True)(runner, request)
    return said


@sensitive_variables()
async def _bounded(runner: Runner, request: CheckRequest) -> str:
    try:
        async with asyncio.timeout(TEST_SECONDS) as limit:
            return await runner.check(request)
    except TimeoutError:
        if limit.expired():
            raise RunFailed(TIMED_OUT) from None
        raise
