"""Choosing a new password without the old one: who gets a link, what it says, and how often it is good."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts import jobs, one_time_codes, tokens
from accounts.models import AuditEvent, OneTimeCode, User
from accounts.one_time_codes import Purpose
from accounts.passwords import reset_letters, resets
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient, sign_in
from tests.accounts.factors import make_factor
from tests.accounts.letters import PUBLIC_URL, carry_out_jobs, code_of, link_of, post_office, waiting_jobs
from tests.makers import PASSWORD, make_token, make_user
from tests.wire.smtp_server import SmtpServer

pytestmark = [pytest.mark.django_db, pytest.mark.security]

NEW = "quite another ordinary sentence"


@pytest.fixture
def post(settings: Settings) -> Iterator[SmtpServer]:
    waiting_jobs()
    with post_office(settings) as server:
        yield server


@pytest.fixture
def ada(db: Any) -> User:
    return make_user("ada", email="ada@post.example.net")


def ask(client: SecureClient, wanted: str, **extra: Any) -> Any:
    return client.post("/reset", {"wanted": wanted}, **extra)


def choose(client: SecureClient, code: str, **changed: Any) -> Any:
    form = {"code": code, "password": NEW, "again": NEW, "ends_tokens": "on", **changed}
    return client.post("/reset/new", {name: value for name, value in form.items() if value is not None})


def code_for(user: User) -> str:
    """A code as the letter would bring it."""
    return one_time_codes.make(Purpose.RESET, user=user, lasting=resets.LIFETIME).text


class TestAsking:
    @pytest.mark.parametrize("wanted", ["ada", "ada@post.example.net", "ADA@post.example.net", " ada "])
    def test_a_link_comes_to_the_address_of_the_account(
        self, client: SecureClient, ada: User, post: SmtpServer, wanted: str
    ) -> None:
        assert ask(client, wanted).status_code == 200
        assert carry_out_jobs() == 1
        (letter,) = post.letters
        assert letter.recipients == ("ada@post.example.net",)
        assert letter.message.get_content_type() == "text/plain"
        assert link_of(letter).startswith(f"{PUBLIC_URL}/reset/new#")
        assert choose(client, code_of(letter))["Location"] == "/sign-in"
        assert sign_in(client, "ada", NEW).status_code == 302

    def test_the_code_is_nowhere_but_in_the_letter(
        self, client: SecureClient, ada: User, post: SmtpServer, capfd: Any
    ) -> None:
        answer = ask(client, "ada")
        assert carry_out_jobs() == 1
        code = code_of(post.letters[0])
        assert len(code.replace("-", "")) == 28
        assert code not in answer.content.decode() + str(answer.headers)
        with connection.cursor() as cursor:
            for table in ("one_time_codes", "reset_letters", "audit_events", "users", "django_session"):
                cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")
                assert code not in str(cursor.fetchone())
        logs = "".join(capfd.readouterr())
        assert code not in logs
        assert code.replace("-", "") not in logs

    @pytest.mark.parametrize("host", ["evil.example", "queue-house.example.org.evil.example", "evil.example:443"])
    def test_no_header_changes_where_the_link_leads(
        self, client: SecureClient, ada: User, post: SmtpServer, settings: Settings, host: str
    ) -> None:
        settings.ALLOWED_HOSTS = ["*"]
        forged = {"Host": host, "X-Forwarded-Host": host, "Forwarded": f"host={host}", "X-Original-Host": host}
        ask(client, "ada", headers=forged, HTTP_HOST=host, SERVER_NAME=host)
        carry_out_jobs()
        (letter,) = post.letters
        assert link_of(letter).startswith(f"{PUBLIC_URL}/reset/new#")
        assert "evil" not in letter.text

    @pytest.mark.parametrize("host", ["evil.example"])
    def test_an_operators_link_has_the_same_host(
        self, at_admin: SecureClient, ada: User, settings: Settings, host: str
    ) -> None:
        settings.ALLOWED_HOSTS, settings.PERSONALQ_PUBLIC_URL = ["*"], PUBLIC_URL
        form = {"action": "make_reset_links", "_selected_action": ada.pk}
        page = at_admin.post("/admin/accounts/user/", form, HTTP_HOST=host).content.decode()
        assert f"{PUBLIC_URL}/reset/new#" in page
        assert "begins with a slash" not in page
        assert host not in page

    @pytest.mark.parametrize("who", ["nobody", "sleeper", "without", "unusable", "nobody@post.example.net"])
    def test_the_answer_tells_nobody_whether_there_is_an_account(
        self, client: SecureClient, ada: User, post: SmtpServer, who: str
    ) -> None:
        make_user("sleeper", email="sleeper@post.example.net", is_active=False)
        make_user("without")
        unusable = make_user("unusable", email="unusable@post.example.net")
        unusable.set_unusable_password()
        unusable.save()
        known, unknown = ask(client, "ada"), ask(client, who)
        assert known.status_code == unknown.status_code == 200
        assert without_tokens(known) == without_tokens(unknown)
        assert carry_out_jobs() == 2
        assert [each.recipients for each in post.letters] == [("ada@post.example.net",)]

    def test_the_work_is_the_same_for_somebody_and_nobody(
        self, client: SecureClient, ada: User, post: SmtpServer
    ) -> None:
        ask(client, "warming up")
        with patch("accounts.passwords.resets.current_app.send_task") as sent:
            work = []
            for wanted in ("ada", "nobody", "ada@post.example.net", "nobody@post.example.net"):
                with CaptureQueriesContext(connection) as queries:
                    ask(client, wanted)
                work.append(sorted(each["sql"].split(" ")[0] for each in queries))
        assert work[0] == work[1] == work[2] == work[3]
        assert sent.call_count == 4

    def test_an_address_of_several_accounts_reaches_each_by_name(
        self, client: SecureClient, ada: User, post: SmtpServer
    ) -> None:
        make_user("ada-at-work", email="ada@post.example.net")
        ask(client, "ada@post.example.net")
        carry_out_jobs()
        assert {"ada" in each.text.split() for each in post.letters} == {True, False}
        assert len(post.letters) == 2

    def test_asking_is_limited_by_name_over_all_addresses(
        self, client: SecureClient, ada: User, post: SmtpServer, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_RESET_NAME = "2/h"
        for name in ("ada", "nobody"):
            answers = [ask(client, name, REMOTE_ADDR=f"198.51.100.{number}") for number in range(3)]
            assert [each.status_code for each in answers] == [200, 200, 429]
        assert ask(client, "ADA", REMOTE_ADDR="198.51.100.9").status_code == 429

    def test_from_one_network_nobody_keeps_the_owner_from_asking(
        self, client: SecureClient, ada: User, post: SmtpServer, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_RESET_NAME = "5/h"
        stranger = [ask(client, "ada", REMOTE_ADDR="198.51.100.9").status_code for _ in range(5)]
        assert stranger == [200, 200, 200, 429, 429]
        assert [ask(client, "ada", REMOTE_ADDR="203.0.113.5").status_code for _ in range(3)] == [200, 200, 429]

    def test_asking_is_limited_by_address_over_all_names(
        self, client: SecureClient, post: SmtpServer, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_RESET_ADDRESS = "2/h"
        answers = [ask(client, f"somebody-{number}") for number in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[-1]["Retry-After"]

    def test_one_account_gets_five_letters_an_hour_whoever_asks(self, ada: User, post: SmtpServer) -> None:
        for _ in range(7):
            reset_letters.put_down([ada])
            reset_letters.send_due()
        assert len(post.letters) == 5

    def test_nothing_is_sent_while_nothing_can_be_counted(
        self, client: SecureClient, ada: User, post: SmtpServer
    ) -> None:
        with patch("personalq.lib.rate_limits.get_usage", side_effect=RedisConnectionError):
            assert ask(client, "ada").status_code == 503
            assert choose(client, code_for(ada)).status_code == 503
        assert carry_out_jobs() == 0
        assert sign_in(client, "ada", PASSWORD).status_code == 302

    @pytest.mark.parametrize("missing", ["PERSONALQ_EMAIL_IS_ON", "PERSONALQ_PUBLIC_URL"])
    def test_without_e_mail_the_page_says_who_can_help(
        self, client: SecureClient, ada: User, settings: Settings, missing: str
    ) -> None:
        settings.PERSONALQ_EMAIL_IS_ON, settings.PERSONALQ_PUBLIC_URL = True, PUBLIC_URL
        setattr(settings, missing, "")
        page = client.get("/reset").content.decode()
        assert "Ask the operator" in page
        assert "manage.py changepassword" in page
        assert 'href="/reset"' not in client.get("/reset/new").content.decode()
        assert ask(client, "ada").status_code == 409

    def test_asking_is_in_the_audit_trail(self, client: SecureClient, ada: User, post: SmtpServer) -> None:
        ask(client, "ada")
        ask(client, "nobody-of-this-name")
        rows = list(AuditEvent.objects.filter(kind="password.reset_asked").order_by("id"))
        assert [(each.outcome, each.owner_uuid, each.actor_uuid) for each in rows] == [
            ("done", ada.uuid, None),
            ("failed", None, None),
        ]
        assert all(each.address and each.request_id for each in rows)
        # People type passwords into the wrong field.
        assert "nobody-of-this-name" not in str([vars(each) for each in rows])


def without_tokens(answer: Any) -> str:
    text: str = answer.content.decode()
    return text.replace(answer.wsgi_request.META.get("CSRF_COOKIE", "-"), "")


class TestUsing:
    def test_a_code_is_good_once(self, client: SecureClient, ada: User) -> None:
        code = code_for(ada)
        assert choose(client, code).status_code == 302
        assert choose(client, code, password=f"{NEW}!", again=f"{NEW}!").status_code == 403
        assert sign_in(client, "ada", NEW).status_code == 302

    @pytest.mark.parametrize(
        "typed", [str.upper, lambda code: code.replace("-", ""), lambda code: f" {code} \n", lambda code: f"{code}.ada"]
    )
    def test_a_code_can_be_typed_as_people_do(self, client: SecureClient, ada: User, typed: Any) -> None:
        assert choose(client, typed(code_for(ada))).status_code == 302

    def test_a_code_ends_after_an_hour(self, client: SecureClient, ada: User) -> None:
        code = code_for(ada)
        row = OneTimeCode.objects.get()
        assert row.expires_at - row.created_at <= timedelta(hours=1, seconds=1)
        OneTimeCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert choose(client, code).status_code == 403

    def test_a_newer_code_ends_an_older_one(self, client: SecureClient, ada: User) -> None:
        older, newer = code_for(ada), code_for(ada)
        assert choose(client, older).status_code == 403
        assert choose(client, newer).status_code == 302

    def change_password(self, user: User) -> None:
        user.set_password("one more ordinary sentence")
        user.save()

    def sign_out_everywhere(self, user: User) -> None:
        tokens.sign_out_everywhere(user, "operator")

    def deactivate(self, user: User) -> None:
        User.objects.filter(pk=user.pk).update(is_active=False)

    @pytest.mark.parametrize("deed", ["change_password", "sign_out_everywhere", "deactivate"])
    def test_what_ends_sign_ins_ends_codes(self, client: SecureClient, ada: User, deed: str) -> None:
        code = code_for(ada)
        getattr(self, deed)(ada)
        assert choose(client, code).status_code == 403

    @pytest.mark.parametrize("purpose", [Purpose.EMAIL, Purpose.INVITATION])
    def test_a_code_for_something_else_opens_nothing(self, client: SecureClient, ada: User, purpose: Purpose) -> None:
        new = one_time_codes.make(purpose, user=ada, lasting=resets.LIFETIME, details={"email": "x@y.example"})
        assert choose(client, new.text).status_code == 403

    @pytest.mark.parametrize(
        "code", ["zzz-zzz", "2222-2222-2222-2222-2222-2222-2222", "é" * 28, "'; DROP TABLE users; --"]
    )
    def test_a_wrong_code_opens_nothing_and_is_noted(self, client: SecureClient, ada: User, code: str) -> None:
        code_for(ada)
        answer = choose(client, code)
        assert answer.status_code == 403
        assert "This code is not good" in answer.content.decode()
        event = AuditEvent.objects.get(kind="password.reset")
        assert (event.outcome, event.actor_uuid) == ("denied", None)
        assert code not in str(vars(event))

    def test_guessing_is_limited_by_address(self, client: SecureClient, ada: User, settings: Settings) -> None:
        settings.PERSONALQ_RATE_CODE = "2/m"
        assert [choose(client, "wrong").status_code for _ in range(3)] == [403, 403, 429]

    def test_a_weak_password_is_refused_and_the_code_stays_good(self, client: SecureClient, ada: User) -> None:
        code = code_for(ada)
        answer = choose(client, code, password="ada@post.example.net", again="ada@post.example.net")
        assert answer.status_code == 400
        assert 'id="id_password_error"' in answer.content.decode()
        assert choose(client, code).status_code == 302

    def test_every_sign_in_and_token_ends(self, client: SecureClient, ada: User) -> None:
        browser = SecureClient()
        sign_in(browser, "ada", PASSWORD)
        pair, text = tokens.issue_pair(ada), make_token(ada).text
        choose(client, code_for(ada))
        assert browser.get("/api/v1/me").status_code == 401
        for ended in (pair.access, text):
            with pytest.raises(InvalidToken):
                tokens.identity_of(ended)

    def test_tokens_go_on_when_the_box_is_not_ticked(self, client: SecureClient, ada: User) -> None:
        text = make_token(ada).text
        choose(client, code_for(ada), ends_tokens=None)
        assert tokens.identity_of(text).user == ada

    def test_nobody_is_signed_in_by_it(self, client: SecureClient, ada: User) -> None:
        choose(client, code_for(ada))
        assert client.get("/api/v1/me").status_code == 401

    def test_a_second_factor_is_still_asked_for(self, client: SecureClient, ada: User) -> None:
        make_factor(ada)
        choose(client, code_for(ada))
        answer = sign_in(client, "ada", NEW)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/sign-in/code")
        assert client.get("/api/v1/me").status_code == 401
        token = client.send("/api/v1/auth/token", {"username": "ada", "password": NEW})
        assert (token.status_code, token.json()["code"]) == (401, "second_factor_required")

    def test_it_is_in_the_audit_trail(self, client: SecureClient, ada: User) -> None:
        choose(client, code_for(ada))
        event = AuditEvent.objects.get(kind="password.reset")
        assert (event.outcome, event.owner_uuid, event.facts) == ("done", ada.uuid, {"ends_tokens": True})

    @pytest.mark.parametrize("path", ["/reset", "/reset/new", "/invitation"])
    def test_another_site_cannot_send_the_form(self, path: str, ada: User) -> None:
        assert SecureClient(enforce_csrf_checks=True).post(path, {"wanted": "ada"}).status_code == 403


class TestOperatorsLink:
    def make(self, at_admin: SecureClient, *users: User) -> Any:
        form = {"action": "make_reset_links", "_selected_action": [user.pk for user in users]}
        return at_admin.post("/admin/accounts/user/", form)

    def test_it_works_without_e_mail(self, at_admin: SecureClient, client: SecureClient, alice: User) -> None:
        page = self.make(at_admin, alice)
        assert "begins with a slash" in page.content.decode()
        found = page.content.decode().partition("/reset/new#")[2].partition("<")[0]
        assert page["Cache-Control"].find("no-store") >= 0
        assert choose(client, found).status_code == 302
        assert sign_in(client, "alice", NEW).status_code == 302
        asked = AuditEvent.objects.get(kind="password.reset_asked")
        assert (asked.actor_name, asked.owner_uuid) == ("olga", alice.uuid)

    def test_a_helper_makes_none_for_operators(self, alice: User, operator: User) -> None:
        helper = make_user("helper", is_staff=True)
        helper.user_permissions.add(*permissions("view_user", "change_user"))
        at_admin = SecureClient()
        at_admin.force_login(helper)
        assert "#" not in str(self.make(at_admin, operator).content.decode().partition("/reset/new")[2])
        assert not OneTimeCode.objects.exists()
        assert "/reset/new#" in self.make(at_admin, alice).content.decode()

    def test_an_operator_gets_none_for_themselves(self, at_admin: SecureClient, alice: User, operator: User) -> None:
        answer = self.make(at_admin, operator)
        assert answer.status_code == 302
        assert "change your password on the page Account" in at_admin.get(answer["Location"]).content.decode()
        assert not OneTimeCode.objects.exists()
        assert self.make(at_admin, operator, alice).content.decode().count("/reset/new#") == 1
        assert OneTimeCode.objects.get().user == alice


def permissions(*names: str) -> Any:
    from django.contrib.auth.models import Permission  # noqa: PLC0415 - needs the apps

    return Permission.objects.filter(codename__in=names)


def test_ended_codes_are_forgotten_after_90_days(ada: User) -> None:
    for _ in range(3):
        code_for(ada)
    first, second, third = OneTimeCode.objects.order_by("id")
    long_ago, lately = timezone.now() - timedelta(days=91), timezone.now() - timedelta(days=89)
    OneTimeCode.objects.filter(pk=first.pk).update(expires_at=long_ago)
    OneTimeCode.objects.filter(pk=second.pk).update(expires_at=lately)
    jobs.prune()
    assert set(OneTimeCode.objects.all()) == {second, third}
