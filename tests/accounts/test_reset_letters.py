"""A letter with a link for a new password comes although the mail server or the broker was away for a while."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts import jobs, mails, one_time_codes, tokens
from accounts.mails import Delivery
from accounts.models import AuditEvent, OneTimeCode, ResetLetter, User
from accounts.models.reset_letter import MOST_ATTEMPTS
from accounts.passwords import reset_letters
from tests.accounts.clients import SecureClient, sign_in
from tests.accounts.letters import code_of, post_office, waiting_jobs
from tests.makers import make_user
from tests.wire.smtp_server import SmtpServer

pytestmark = [pytest.mark.django_db, pytest.mark.security]

NEW = "quite another ordinary sentence"
LATER = "451 4.3.0 try later"
NEVER = "550 5.1.1 nobody here"


@pytest.fixture
def ada(db: Any) -> User:
    return make_user("ada", email="ada@post.example.net")


@pytest.fixture
def post(settings: Settings) -> Iterator[SmtpServer]:
    waiting_jobs()
    with post_office(settings) as server:
        yield server


def ask(wanted: str = "ada") -> int:
    status: int = SecureClient().post("/reset", {"wanted": wanted}).status_code
    return status


def let_time_pass() -> timedelta:
    """To the moment of the next attempt; returns how long that is from now."""
    letter = ResetLetter.objects.get()
    pause = letter.due_at - timezone.now()
    ResetLetter.objects.update(due_at=timezone.now())
    return pause


def choose(code: str) -> int:
    form = {"code": code, "password": NEW, "again": NEW, "ends_tokens": "on"}
    status: int = SecureClient().post("/reset/new", form).status_code
    return status


class TestServerThatIsAway:
    def test_letter_that_is_refused_for_the_moment_comes_once_the_server_takes_it(
        self, ada: User, post: SmtpServer
    ) -> None:
        post.refusal = LATER
        ask()
        assert reset_letters.send_due() == 0
        assert reset_letters.send_due() == 0, "not before the pause is over"
        assert post.letters == []
        post.refusal = ""
        let_time_pass()
        assert reset_letters.send_due() == 1
        (letter,) = post.letters
        assert choose(code_of(letter)) == 302
        assert sign_in(SecureClient(), "ada", NEW).status_code == 302
        assert not ResetLetter.objects.exists()

    def test_server_that_was_down_is_found_again(self, ada: User, settings: Settings) -> None:
        with post_office(settings) as gone:
            port = gone.port
        settings.PERSONALQ_EMAIL_IS_ON = True
        ask()
        assert reset_letters.send_due() == 0
        let_time_pass()
        with post_office(settings, port=port) as back:
            assert reset_letters.send_due() == 1
        assert choose(code_of(back.letters[0])) == 302

    def test_server_that_says_nothing_is_asked_again(self, ada: User, settings: Settings) -> None:
        settings.EMAIL_TIMEOUT = 0.2
        with post_office(settings, is_mute=True) as server:
            ask()
            assert reset_letters.send_due() == 0
            server.is_mute, settings.EMAIL_TIMEOUT = False, 30
            let_time_pass()
            assert reset_letters.send_due() == 1
        assert choose(code_of(server.letters[0])) == 302

    def test_pauses_grow_and_attempts_end_while_a_link_would_be_good(
        self, ada: User, post: SmtpServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        post.refusal = LATER
        ask()
        pauses = []
        with caplog.at_level(logging.WARNING):
            for _ in range(MOST_ATTEMPTS - 1):
                reset_letters.send_due()
                pauses.append(let_time_pass())
            reset_letters.send_due()
        assert [round(each / timedelta(minutes=1)) for each in pauses] == [1, 2, 4, 8, 16]
        assert sum(pauses, timedelta()) < reset_letters.LIFETIME
        assert not ResetLetter.objects.exists()
        assert "given up (put_off)" in caplog.text

    def test_letter_that_is_given_up_is_in_the_audit_trail(self, ada: User, post: SmtpServer) -> None:
        post.refusal = LATER
        ask()
        ResetLetter.objects.update(attempts=MOST_ATTEMPTS - 1)
        reset_letters.send_due()
        event = AuditEvent.objects.get(kind="password.reset_unsent")
        assert (event.outcome, event.owner_uuid, event.facts) == ("failed", ada.uuid, {"reason": "put_off"})

    @pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
    def test_wherever_the_server_refuses_for_the_moment_it_is_asked_again(
        self, ada: User, post: SmtpServer, verb: str
    ) -> None:
        post.refusal, post.refused_verb = LATER, verb
        ask()
        reset_letters.send_due()
        assert ResetLetter.objects.exists()

    @pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
    def test_letter_that_is_refused_for_good_is_not_tried_again(self, ada: User, post: SmtpServer, verb: str) -> None:
        post.refusal, post.refused_verb = NEVER, verb
        ask()
        reset_letters.send_due()
        assert not ResetLetter.objects.exists()
        assert AuditEvent.objects.get(kind="password.reset_unsent").facts == {"reason": "refused"}

    def test_wish_that_is_an_hour_old_is_not_met_any_more(self, ada: User, post: SmtpServer) -> None:
        ask()
        ResetLetter.objects.update(asked_at=timezone.now() - reset_letters.LIFETIME)
        assert reset_letters.send_due() == 0
        assert post.letters == []
        assert AuditEvent.objects.get(kind="password.reset_unsent").facts == {"reason": "too_late"}

    def test_sender_that_dies_in_the_middle_leaves_the_next_attempt(self, ada: User, post: SmtpServer) -> None:
        ask()
        with patch("accounts.passwords.reset_letters.mails.deliver", side_effect=SystemExit), pytest.raises(SystemExit):
            reset_letters.send_due()
        assert let_time_pass() > timedelta(seconds=50)
        assert reset_letters.send_due() == 1
        assert choose(code_of(post.letters[0])) == 302


class TestHint:
    def test_letter_comes_although_no_worker_could_be_asked(self, ada: User, post: SmtpServer) -> None:
        with patch("accounts.passwords.resets.current_app.send_task", side_effect=ConnectionRefusedError):
            assert [ask(who) for who in ("ada", "nobody")] == [200, 200]
        assert waiting_jobs() == []
        jobs.send_reset_letters()
        assert [each.recipients for each in post.letters] == [("ada@post.example.net",)]

    def test_beat_sweeps(self) -> None:
        entry = django_settings.CELERY_BEAT_SCHEDULE["send-reset-letters"]
        assert entry["task"] == jobs.send_reset_letters.name
        assert entry["schedule"] == timedelta(seconds=20)

    def test_hint_is_the_same_for_somebody_and_nobody(self, ada: User, post: SmtpServer) -> None:
        with patch("accounts.passwords.resets.current_app.send_task") as sent:
            ask("ada")
            ask("nobody")
        first, second = sent.call_args_list
        assert first == second

    def test_second_job_finds_nothing_left(self, ada: User, post: SmtpServer) -> None:
        ask()
        for _ in range(3):
            jobs.send_reset_letters()
        assert len(post.letters) == 1


class TestCode:
    def test_no_code_is_in_a_row_or_log_between_attempts(
        self, ada: User, post: SmtpServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        post.refusal, made = LATER, []
        text = one_time_codes._make_text

        def listen() -> str:
            made.append(text())
            return made[-1]

        with patch("accounts.one_time_codes._make_text", listen), caplog.at_level(logging.DEBUG):
            ask()
            reset_letters.send_due()
        kept = "".join(rows_of(table) for table in ("reset_letters", "one_time_codes", "audit_events"))
        (code,) = made
        for form in (code, code.replace("-", "")):
            assert form not in kept + caplog.text

    def test_each_attempt_makes_another_one_and_the_failed_ones_are_gone(self, ada: User, post: SmtpServer) -> None:
        post.refusal = LATER
        ask()
        reset_letters.send_due()
        assert not OneTimeCode.objects.exists()
        post.refusal = ""
        let_time_pass()
        reset_letters.send_due()
        row = OneTimeCode.objects.get()
        assert row.expires_at - timezone.now() > reset_letters.LIFETIME - timedelta(minutes=1)

    def test_attempts_that_failed_do_not_count_as_letters(self, ada: User, post: SmtpServer) -> None:
        post.refusal = LATER
        ask()
        for _ in range(MOST_ATTEMPTS - 1):
            reset_letters.send_due()
            let_time_pass()
        post.refusal = ""
        assert reset_letters.send_due() == 1

    def change_password(self, user: User) -> None:
        user.set_password("one more ordinary sentence")
        user.save()

    def sign_out_everywhere(self, user: User) -> None:
        tokens.sign_out_everywhere(user, "operator")

    def deactivate(self, user: User) -> None:
        User.objects.filter(pk=user.pk).update(is_active=False)

    @pytest.mark.parametrize("deed", ["change_password", "sign_out_everywhere", "deactivate"])
    def test_what_ends_codes_ends_letters_that_wait(self, ada: User, post: SmtpServer, deed: str) -> None:
        post.refusal = LATER
        ask()
        reset_letters.send_due()
        getattr(self, deed)(ada)
        post.refusal = ""
        let_time_pass()
        assert reset_letters.send_due() == 0
        assert post.letters == []
        assert not ResetLetter.objects.exists()

    def test_letter_goes_to_the_address_that_the_account_has_then(self, ada: User, post: SmtpServer) -> None:
        post.refusal = LATER
        ask()
        reset_letters.send_due()
        User.objects.filter(pk=ada.pk).update(email="new@post.example.net")
        post.refusal = ""
        let_time_pass()
        reset_letters.send_due()
        assert [each.recipients for each in post.letters] == [("new@post.example.net",)]


class TestWishes:
    def test_who_asks_several_times_while_the_server_is_away_gets_one_letter(self, ada: User, post: SmtpServer) -> None:
        post.refusal = LATER
        for _ in range(3):
            ask()
            reset_letters.send_due()
        post.refusal = ""
        let_time_pass()
        reset_letters.send_due()
        assert len(post.letters) == 1

    def test_who_asks_again_begins_anew(self, ada: User, post: SmtpServer) -> None:
        ask()
        ResetLetter.objects.update(attempts=4, due_at=timezone.now() + timedelta(minutes=9))
        ask()
        assert reset_letters.send_due() == 1

    def test_wish_that_came_while_another_one_was_met_is_still_owed(self, ada: User, post: SmtpServer) -> None:
        ask()
        deliver = mails.deliver

        def ask_meanwhile(*arguments: Any, **facts: Any) -> Delivery:
            outcome = deliver(*arguments, **facts)
            if len(post.letters) == 1:
                ask()
            return outcome

        with patch("accounts.passwords.reset_letters.mails.deliver", ask_meanwhile):
            assert reset_letters.send_due() == 2

    def test_nobodys_wish_leaves_no_row(self, post: SmtpServer) -> None:
        ask("nobody")
        ask("nobody-either")
        assert ResetLetter.objects.count() == 2
        reset_letters.send_due()
        assert not ResetLetter.objects.exists()

    def test_while_e_mail_is_off_nothing_is_tried(self, ada: User, post: SmtpServer, settings: Settings) -> None:
        ask()
        settings.PERSONALQ_EMAIL_IS_ON = False
        assert reset_letters.send_due() == 0
        assert ResetLetter.objects.get().attempts == 0


def rows_of(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        return str(cursor.fetchone())
