"""What is told by e-mail, over a real socket to a mail server."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Task
from tests.makers import make_agent, make_queue, make_running, make_task, make_user
from tests.wire.smtp_server import SmtpServer
from webhooks.models import Notice, NoticeChoice, NoticeKind
from webhooks.notices import choices, recording, sending

pytestmark = pytest.mark.django_db


def finished(owner: User, title: str = "") -> Task:
    queue = make_queue(owner)
    task, claim = make_running(make_agent(owner, queue=queue))
    Task.objects.filter(pk=task.pk).update(title=title)
    lifecycle.complete(claim=claim, result="the secret result")
    return task


def let_time_pass(owner: User) -> None:
    NoticeChoice.objects.filter(owner=owner, due_at__isnull=False).update(due_at=Now() - timedelta(seconds=1))


class TestWhatIsTold:
    def test_several_things_come_in_one_letter_without_prompts_and_results(
        self, mail: SmtpServer, reader: User
    ) -> None:
        first, second = finished(reader, "Report of May"), finished(reader)
        assert sending.send_due() == 0
        let_time_pass(reader)
        assert sending.send_due() == 1
        [letter] = mail.letters
        assert letter.recipients == ("reader@example.org",)
        assert letter.message["Subject"] == "Personal-Q: 2 notices"
        assert "Report of May" in letter.text
        assert f"https://q.example.org/tasks/{first.uuid}" in letter.text
        assert f"task {str(second.uuid)[:8]}" in letter.text
        assert "say this" not in letter.text
        assert "secret result" not in letter.text

    def test_nothing_is_told_twice(self, mail: SmtpServer, reader: User) -> None:
        finished(reader)
        let_time_pass(reader)
        assert [sending.send_due(), sending.send_due()] == [1, 0]
        finished(reader)
        let_time_pass(reader)
        sending.send_due()
        assert [each.message["Subject"].split(":")[1] for each in mail.letters] == [" finished", " finished"]

    def test_a_title_cannot_add_a_header_or_a_line(self, mail: SmtpServer, reader: User) -> None:
        finished(reader, "x\r\nBcc: eve@example.org\x1b[31m")
        let_time_pass(reader)
        sending.send_due()
        [letter] = mail.letters
        assert letter.recipients == ("reader@example.org",)
        assert letter.message["Bcc"] is None
        assert letter.message["Subject"] == "Personal-Q: finished: x Bcc: eve@example.org [31m"
        assert "\x1b" not in letter.text

    def test_a_failure_is_told_with_its_code(self, mail: SmtpServer, reader: User) -> None:
        task, claim = make_running(make_agent(reader, queue=make_queue(reader), max_attempts=1))
        lifecycle.fail(claim=Claim.of(task), code="timed_out")
        assert claim == Claim.of(task)
        let_time_pass(reader)
        sending.send_due()
        assert "(timed_out)" in mail.letters[0].text

    def test_many_are_counted_instead_of_listed(self, mail: SmtpServer, reader: User) -> None:
        for number in range(55):
            recording.note(owner_id=reader.pk, kind=NoticeKind.ENDPOINT, name=f"endpoint {number}")
        let_time_pass(reader)
        sending.send_due()
        assert mail.letters[0].text.count("- endpoint") == 50
        assert "And 5 more" in mail.letters[0].text
        assert not Notice.objects.filter(sent_at__isnull=True).exists()


class TestWhoIsTold:
    def test_nobody_who_did_not_choose_it(self, mail: SmtpServer, reader: User) -> None:
        other = make_user(email="other@example.org")
        choices.change(actor=reader, wants_finished=False)
        finished(reader)
        finished(other)
        assert not Notice.objects.exists()
        assert sending.send_due() == 0
        assert mail.letters == []

    def test_nobody_who_was_deactivated_or_has_no_address_any_more(self, mail: SmtpServer, reader: User) -> None:
        finished(reader)
        User.objects.filter(pk=reader.pk).update(is_active=False)
        let_time_pass(reader)
        assert sending.send_due() == 0
        assert mail.letters == []
        assert not NoticeChoice.objects.due().exists()

    def test_whoever_chose_nothing_costs_one_query_an_event(self, mail: SmtpServer) -> None:
        agent = make_agent(make_user())
        task = make_task(agent)
        event = task.events.get()
        event.kind = "task_completed"
        with CaptureQueriesContext(connection) as queries:
            recording.note_event(event)
        assert len(queries) == 1

    def test_what_is_rolled_back_is_not_told(self, reader: User) -> None:
        with pytest.raises(LookupError), transaction.atomic():
            finished(reader)
            raise LookupError
        assert not Notice.objects.exists()


class TestTrouble:
    def test_a_letter_that_is_refused_comes_later(self, mail: SmtpServer, reader: User) -> None:
        finished(reader)
        let_time_pass(reader)
        mail.refusal = "451 try later"
        assert sending.send_due() == 0
        choice = choices.read(reader)
        assert choice.failures == 1
        assert Notice.objects.filter(sent_at__isnull=True).count() == 1
        mail.refusal = ""
        let_time_pass(reader)
        assert sending.send_due() == 1
        assert choices.read(reader).failures == 0

    def test_whoever_holds_the_letter_is_waited_for_until_the_lease_is_over(
        self, mail: SmtpServer, reader: User
    ) -> None:
        finished(reader)
        let_time_pass(reader)
        NoticeChoice.objects.filter(owner=reader).update(claimed_until_at=Now() + timedelta(minutes=1))
        assert sending.send_due() == 0
        NoticeChoice.objects.filter(owner=reader).update(claimed_until_at=Now() - timedelta(seconds=1))
        assert sending.send_due() == 1
        assert len(mail.letters) == 1

    def test_old_notices_are_forgotten(self, reader: User) -> None:
        finished(reader)
        Notice.objects.update(created_at=Now() - timedelta(days=8))
        sending.forget_old()
        assert not Notice.objects.exists()
