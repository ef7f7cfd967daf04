"""A call that is over, from ElevenLabs' signed request to the task."""

import json
import time
from typing import Any

import pytest

from accounts.models import User
from tasks.models import Task
from tests.clients import fresh_client
from tests.makers import make_agent, make_queue
from tests.webhooks.voice.test_transcripts import AUDIO, CALL, FAILURE
from webhooks.doors import keeping
from webhooks.doors.keeping import NewDoor
from webhooks.models import InboundRequest, Outcome
from webhooks.voice.signature import HEADER, digest_of

pytestmark = [pytest.mark.django_db, pytest.mark.security]

SAID = "agent: Hey there angelo. How are you?\nuser: Hey, can you tell me, like, a fun fact?\nuser: thank you"


def make_door(owner: User, **fields: Any) -> NewDoor:
    agent = make_agent(owner, queue=make_queue(owner))
    return keeping.create(actor=owner, name="calls", kind="elevenlabs", agent=agent, **fields)


def tell(new: NewDoor, payload: Any, *, ago: int = 0, secret: str = "") -> Any:
    body = json.dumps(payload).encode()
    at = str(int(time.time()) - ago)
    signed = f"t={at},v0={digest_of(secret or new.secret, at, body)}"
    address = keeping.path_of(new.door)
    return fresh_client().post(address, body, "application/json", headers={HEADER: signed}, secure=True)


def test_call_becomes_a_task_whose_text_is_not_its_owners_word(owner: User) -> None:
    new = make_door(owner)
    answer = tell(new, CALL)
    task = Task.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"received": True, "task": str(task.uuid)})
    assert (task.prompt, task.trusted, task.source, task.agent) == (SAID, False, "webhook", new.door.agent)


def test_instruction_is_the_prompt_and_the_call_is_what_it_is_about(owner: User) -> None:
    tell(make_door(owner, instruction="Write down what was promised."), CALL)
    task = Task.objects.get()
    assert (task.prompt, task.trusted, task.untrusted_text) == ("Write down what was promised.", True, SAID)


def test_template_may_ask_for_something_else(owner: User) -> None:
    tell(make_door(owner, template="{{ data.analysis.transcript_summary }}", title_template="{{ data.status }}"), CALL)
    assert Task.objects.values_list("prompt", "title").get() == ("They talk.", "done")


@pytest.mark.parametrize("payload", [AUDIO, FAILURE], ids=["audio", "failure"])
def test_sound_and_calls_that_did_not_come_about_are_taken_and_make_nothing(
    payload: dict[str, Any], owner: User
) -> None:
    answer = tell(make_door(owner), payload)
    assert (answer.status_code, answer.json()["task"]) == (200, None)
    assert InboundRequest.objects.get().outcome == Outcome.IGNORED
    assert not Task.objects.exists()


def test_call_in_which_nothing_was_said_makes_nothing(owner: User) -> None:
    silent = {**CALL, "data": {**CALL["data"], "transcript": []}}
    assert tell(make_door(owner), silent).json()["task"] is None
    assert not Task.objects.exists()


def test_call_counts_once_however_often_it_is_told(owner: User) -> None:
    new = make_door(owner)
    told = [tell(new, CALL), tell(new, CALL, ago=60), tell(new, {**CALL, "event_timestamp": 1})]
    assert [each.status_code for each in told] == [200] * 3
    assert Task.objects.count() == 1
    other = {**CALL, "data": {**CALL["data"], "conversation_id": "another"}}
    tell(new, other)
    assert Task.objects.count() == 2


@pytest.mark.parametrize(("ago", "status"), [(1_790, 200), (1_830, 401), (-290, 200), (-330, 401)])
def test_old_and_early_ones_are_refused(ago: int, status: int, owner: User) -> None:
    assert tell(make_door(owner), CALL, ago=ago).status_code == status
    assert Task.objects.exists() is (status == 200)


def test_signature_by_another_secret_is_refused(owner: User) -> None:
    assert tell(make_door(owner), CALL, secret="wsec_0123456789abcdef0123456789").status_code == 401
    assert not InboundRequest.objects.exists()
