"""Personal tokens before operators: looked at and ended, never made or read."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from accounts import tokens
from accounts.models import PersonalToken, User
from accounts.tokens import personal_tokens
from accounts.tokens.personal_tokens import NewToken
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient
from tests.makers import make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

TOKENS = "/admin/accounts/personaltoken/"


def is_good(text: str) -> bool:
    try:
        tokens.identity_of(text)
    except InvalidToken:
        return False
    return True


def helper_with(*permissions: str) -> SecureClient:
    user = make_user("harry", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = SecureClient()
    client.force_login(user)
    return client


def revoke(client: SecureClient, *made: NewToken) -> int:
    chosen = [str(new.token.pk) for new in made]
    return int(client.post(TOKENS, {"action": "revoke", "_selected_action": chosen}).status_code)


@pytest.fixture
def new(alice: User) -> NewToken:
    return make_token(alice, "tasks:read", name="laptop")


def test_neither_text_nor_digest_is_shown(at_admin: SecureClient, new: NewToken) -> None:
    pages = [TOKENS, f"{TOKENS}{new.token.pk}/change/", f"{TOKENS}{new.token.pk}/history/"]
    for shown in (at_admin.get(each).content.decode() for each in pages):
        assert "laptop" in shown
        assert new.text not in shown
        assert new.token.digest not in shown
    assert f"{new.token.prefix}…" in at_admin.get(TOKENS).content.decode()


@pytest.mark.parametrize("lookup", ["digest", "digest__startswith", "digest__regex"])
def test_list_cannot_be_narrowed_by_a_digest(at_admin: SecureClient, new: NewToken, lookup: str) -> None:
    answer = at_admin.get(TOKENS, {lookup: new.token.digest[:8]})
    assert answer.status_code == 400


def test_tokens_are_found_by_how_they_begin(at_admin: SecureClient, new: NewToken) -> None:
    assert "laptop" in at_admin.get(TOKENS, {"q": new.token.prefix}).content.decode()
    assert "laptop" not in at_admin.get(TOKENS, {"q": new.token.digest}).content.decode()


@pytest.mark.parametrize("page", ["add/", "{}/change/", "{}/delete/"])
def test_nothing_can_be_written(at_admin: SecureClient, new: NewToken, page: str) -> None:
    before = PersonalToken.objects.values().get()
    answer = at_admin.post(f"{TOKENS}{page.format(new.token.pk)}", {"name": "x", "post": "yes"})
    assert answer.status_code == 403
    assert PersonalToken.objects.values().get() == before


def test_chosen_tokens_are_revoked_and_the_others_go_on(
    at_admin: SecureClient, alice: User, new: NewToken, operator: User
) -> None:
    other = make_token(alice)
    assert revoke(at_admin, new) == 302
    assert (is_good(new.text), is_good(other.text)) == (False, True)
    assert PersonalToken.objects.get(pk=new.token.pk).revoked_reason == "operator"
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.get_change_message()) == (operator, str(new.token.pk), "Revoked.")


def test_what_has_ended_is_not_revoked_again(at_admin: SecureClient, alice: User, new: NewToken) -> None:
    personal_tokens.revoke(actor=alice, token=new.token)
    revoke(at_admin, new)
    assert PersonalToken.objects.get().revoked_reason == "owner"
    assert not LogEntry.objects.exists()


def test_who_may_only_look_revokes_nothing(new: NewToken) -> None:
    helper = helper_with("view_personaltoken")
    assert "laptop" in helper.get(TOKENS).content.decode()
    revoke(helper, new)
    assert is_good(new.text)


def test_who_may_change_tokens_sees_and_revokes_them(new: NewToken) -> None:
    helper = helper_with("change_personaltoken")
    assert "laptop" in helper.get(TOKENS).content.decode()
    revoke(helper, new)
    assert not is_good(new.text)


def test_who_may_do_neither_is_refused(new: NewToken) -> None:
    helper = helper_with("view_user")
    assert helper.get(TOKENS).status_code == 403
    assert revoke(helper, new) == 403
    assert is_good(new.text)


def test_tokens_go_with_a_user_whom_somebody_may_delete(alice: User, new: NewToken) -> None:
    helper = helper_with("view_user", "change_user", "delete_user")
    answer = helper.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not is_good(new.text)


def test_signing_out_everywhere_ends_them(at_admin: SecureClient, alice: User, new: NewToken) -> None:
    at_admin.post("/admin/accounts/user/", {"action": "sign_out_everywhere", "_selected_action": [str(alice.pk)]})
    assert not is_good(new.text)
    assert PersonalToken.objects.get().revoked_reason == "operator"
