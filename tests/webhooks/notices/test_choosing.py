"""Choosing notices by API and page, and ending them by a link."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from accounts.models import User
from tests.accounts.clients import SecureClient
from tests.clients import fresh_client
from tests.makers import make_user
from tests.realtime.pages.reading import text_of
from tests.tasks.api.client import Api
from tests.webhooks.notices.test_sending import finished, let_time_pass
from tests.wire.smtp_server import SmtpServer
from webhooks.models import Notice, NoticeChoice
from webhooks.notices import choices, links, sending

pytestmark = [pytest.mark.django_db, pytest.mark.security]


@pytest.fixture
def off_path(mail: SmtpServer, reader: User) -> str:
    """The address in a letter by which the reader ends notices."""
    finished(reader)
    let_time_pass(reader)
    sending.send_due()
    address = re.fullmatch(r"<(\S+)>", mail.letters[0].message["List-Unsubscribe"].strip())
    assert address is not None
    parts = urlsplit(address[1])
    return f"{parts.path}?{parts.query}"


class TestApi:
    def test_nothing_is_chosen_until_somebody_chooses(self, mail: SmtpServer) -> None:
        api = Api(make_user(email="a@example.org"))
        assert not any(value for name, value in api.get("notices").json().items() if name.startswith("wants"))
        chosen = api.patch("notices", {"wants_failed": True, "batch_minutes": 10})
        assert chosen.status_code == 200
        assert chosen.json()["wants_failed"] is True
        assert api.get("notices").json()["batch_minutes"] == 10

    def test_what_cannot_be_sent_is_refused_with_what_to_do(self, settings: Settings, mail: SmtpServer) -> None:
        refused = Api(make_user(email="")).patch("notices", {"wants_failed": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "no_email_address")
        settings.PERSONALQ_EMAIL_IS_ON = False
        refused = Api(make_user(email="a@example.org")).patch("notices", {"wants_failed": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "email_not_set_up")
        assert not NoticeChoice.objects.exists()

    @pytest.mark.parametrize("body", [{"batch_minutes": 0}, {"batch_minutes": 1441}, {"wants_failed": 1}, {"x": True}])
    def test_bad_values_change_nothing(self, reader: User, body: dict[str, object]) -> None:
        assert Api(reader).patch("notices", body).status_code == 400
        assert choices.read(reader).batch_minutes == 1


class TestPage:
    def test_saves_what_is_ticked(self, page: SecureClient, alice: User, mail: SmtpServer) -> None:
        User.objects.filter(pk=alice.pk).update(email="alice@example.org")
        page.post("/notices", {"wants_failed": "on", "batch_minutes": "7"})
        choice = choices.read(alice)
        assert (choice.wants_failed, choice.wants_finished, choice.batch_minutes) == (True, False, 7)
        assert "e-mail to alice@example.org" in text_of(page.get("/notices"))

    def test_says_what_is_missing(self, page: SecureClient, settings: Settings) -> None:
        settings.PERSONALQ_EMAIL_IS_ON = False
        assert "sends no e-mails" in text_of(page.get("/notices"))
        refused = page.post("/notices", {"wants_failed": "on", "batch_minutes": "7"})
        assert refused.status_code == 409
        assert "PERSONALQ_EMAIL_URL" in text_of(refused)


class TestLink:
    def test_one_post_without_signing_in_ends_everything(self, off_path: str, reader: User) -> None:
        finished(reader)
        stranger = fresh_client()
        assert "End all notices?" in text_of(stranger.get(off_path, secure=True))
        assert choices.wants_anything(choices.read(reader))
        done = stranger.post(off_path, {"List-Unsubscribe": "One-Click"}, secure=True)
        assert done.status_code == 200
        assert not choices.wants_anything(choices.read(reader))
        assert not Notice.objects.filter(sent_at__isnull=True).exists()
        finished(reader)
        assert not Notice.objects.filter(sent_at__isnull=True).exists()

    def test_is_over_after_any_later_choice(self, off_path: str, reader: User) -> None:
        choices.change(actor=reader, batch_minutes=2)
        assert fresh_client().post(off_path, secure=True).status_code == 404
        assert choices.wants_anything(choices.read(reader))

    def test_is_nothing_when_it_is_altered_or_old(
        self, off_path: str, reader: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for path in (f"{off_path}x", "/notices/off", "/notices/off?token=%00", off_path.replace("token", "tokem")):
            assert fresh_client().post(path, secure=True).status_code == 404
        monkeypatch.setattr(links, "LONGEST_AGE_SECONDS", -1)
        assert fresh_client().post(off_path, secure=True).status_code == 404
        assert choices.wants_anything(choices.read(reader))

    def test_guessing_is_limited(self, settings: Settings) -> None:
        settings.PERSONALQ_RATE_NOTICES_OFF = "2/m"
        client = fresh_client()
        answers = [client.post("/notices/off?token=x", secure=True).status_code for _ in range(3)]
        assert answers == [404, 404, 429]


def test_a_choice_that_changes_while_a_letter_is_out_is_kept(mail: SmtpServer, reader: User) -> None:
    finished(reader)
    let_time_pass(reader)
    choices.change(actor=reader, wants_failed=False)
    NoticeChoice.objects.update(due_at=Now() - timedelta(seconds=1))
    sending.send_due()
    assert choices.read(reader).wants_failed is False
    assert len(mail.letters) == 1
