"""Of requests that come at the same moment exactly one counts."""

import pytest

from accounts.models import User
from personalq.lib.errors import AppError
from tasks.models import Task
from tests.concurrency.racing import race
from tests.webhooks.doors.knocking import knock
from tests.webhooks.doors.senders import make_door, request_of
from webhooks.doors import keeping, secrets
from webhooks.models import DoorKind, DoorSecret, InboundRequest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

SENDERS = 8
ROUNDS = 10


@pytest.mark.parametrize("kind", [DoorKind.STANDARD, DoorKind.GITHUB])
def test_eight_senders_of_one_request_make_one_task(kind: DoorKind, owner: User) -> None:
    new = make_door(owner, kind)
    for number in range(1, ROUNDS + 1):
        sent = request_of(new)
        answers = race(*[lambda: knock(sent)] * SENDERS)  # noqa: B023 - called in this round
        assert [answer.status_code for answer in answers] == [200] * SENDERS
        assert sorted(bool(answer.json().get("duplicate")) for answer in answers) == [False] + [True] * (SENDERS - 1)
        assert len({answer.json()["task"] for answer in answers}) == 1
        assert (Task.objects.count(), InboundRequest.objects.count()) == (number, number)


def test_eight_ids_of_one_signed_body_make_one_task(owner: User) -> None:
    new = make_door(owner, DoorKind.GITHUB)
    for number in range(1, ROUNDS + 1):
        sent = request_of(new)
        forged = [sent.with_header("X-GitHub-Delivery", f"id-{number}-{each}") for each in range(SENDERS)]
        race(*[lambda one=one: knock(one) for one in forged])
        assert (Task.objects.count(), InboundRequest.objects.count()) == (number, number)


def test_two_doors_cannot_get_one_secret_at_the_same_moment(owner: User) -> None:
    doors = [make_door(owner, DoorKind.GITLAB).door for _ in range(2)]
    for number in range(ROUNDS):
        text = f"a-secret-that-both-want-{number}"
        results = race(
            *[
                lambda door=door: secrets.rotate(actor=owner, door=door, keep_old_seconds=0, secret=text)  # noqa: B023
                for door in doors
            ]
        )
        assert sorted(isinstance(result, AppError) for result in results) == [False, True], results
        assert DoorSecret.objects.filter(digest=secrets.digest_of(text)).count() == 1


def test_request_against_the_deletion_of_its_door(owner: User) -> None:
    for _ in range(ROUNDS):
        new = make_door(owner, DoorKind.GITHUB)
        sent = request_of(new)
        answer, _ = race(lambda: knock(sent), lambda: keeping.delete(actor=owner, door=new.door))  # noqa: B023
        assert answer.status_code in {200, 401}
    assert InboundRequest.objects.count() == 0
