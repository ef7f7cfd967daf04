"""Sweeps, jobs and people who ask at the same moment: each letter goes out once."""

from collections.abc import Iterator
from functools import partial

import pytest
from pytest_django import Settings

from accounts.models import AuditEvent, OneTimeCode, ResetLetter, User
from accounts.passwords import reset_letters
from tests.accounts.letters import post_office
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import make_user
from tests.wire.smtp_server import SmtpServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]


@pytest.fixture
def post(settings: Settings) -> Iterator[SmtpServer]:
    with post_office(settings) as server:
        yield server


@pytest.fixture
def users() -> list[User]:
    return [make_user(name, email=f"{name}@post.example.net") for name in ("ada", "grace", "joan")]


def test_of_many_sweeps_one_sends_each_letter(post: SmtpServer, users: list[User]) -> None:
    for _ in range(ROUNDS):
        reset_letters.put_down(users)
        results = race(*[reset_letters.send_due] * 4)
        assert failures(results) == []
        assert sum(results) == len(users)
        assert sorted(each.recipients[0] for each in post.letters) == [user.email for user in users]
        assert OneTimeCode.objects.live().count() == len(users)
        post.letters.clear()
        OneTimeCode.objects.all().delete()


def test_of_many_sweeps_one_tells_that_a_letter_is_given_up(post: SmtpServer, users: list[User]) -> None:
    for _ in range(ROUNDS):
        reset_letters.put_down(users)
        ResetLetter.objects.update(asked_at="2020-01-01T00:00:00Z")
        before = AuditEvent.objects.count()
        assert failures(race(*[reset_letters.send_due] * 4)) == []
        assert AuditEvent.objects.count() - before == len(users)


def test_people_who_ask_at_once_are_owed_one_letter_each(post: SmtpServer, users: list[User]) -> None:
    for _ in range(ROUNDS):
        wishes = [partial(reset_letters.put_down, each) for each in (users, users[:1], users[1:], [])]
        assert failures(race(*wishes)) == []
        assert ResetLetter.objects.exclude(user=None).count() == len(users)
        ResetLetter.objects.all().delete()
