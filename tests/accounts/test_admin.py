"""The operators' own rooms: who comes in, what they may do there, and that nonsense does no harm."""

from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from pytest_django import Settings

from accounts import tokens
from accounts.models import TokenFamily, User
from personalq.lib.errors import InvalidToken
from tests.accounts.clients import SecureClient, sign_in
from tests.makers import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

USERS, FAMILIES = "/admin/accounts/user/", "/admin/accounts/tokenfamily/"
NEW_PASSWORD = "another ordinary passphrase"


def is_good(access: str) -> bool:
    try:
        tokens.identity_of(access)
    except InvalidToken:
        return False
    return True


def act(client: SecureClient, path: str, action: str, *chosen: Any) -> Any:
    return client.post(path, {"action": action, "_selected_action": [str(key) for key in chosen]})


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    """What the browser would send back, with changes."""
    form = {"username": user.username, "email": "", "first_name": "", "last_name": ""}
    switches = {name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)}
    merged = {**form, **switches, **changes}
    return {name: value for name, value in merged.items() if value is not None}


@pytest.fixture
def helper(db: Any) -> SecureClient:
    """An operator who may change users and sign-ins, and is no superuser."""
    user = make_user("harry", is_staff=True)
    wanted = ["view_user", "change_user", "delete_user", "change_tokenfamily"]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client = SecureClient()
    client.force_login(user)
    return client


class TestEntrance:
    @pytest.mark.parametrize("path", ["/admin/", USERS, "/admin/invented/", "/admin/password_change/"])
    def test_strangers_are_sent_to_our_sign_in_page(self, client: SecureClient, db: Any, path: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/sign-in?next={path}")

    @pytest.mark.parametrize("path", ["/admin/", USERS, "/admin/invented/", "/admin/login/", "/admin/logout/"])
    def test_who_is_no_operator_is_refused_and_not_sent_around(self, signed_in: SecureClient, path: str) -> None:
        assert signed_in.get(path).status_code == 403

    def test_an_operator_comes_in(self, client: SecureClient, operator: User) -> None:
        answer = client.post("/sign-in?next=/admin/", {"username": "olga", "password": PASSWORD})
        assert answer["Location"] == "/admin/"
        assert client.get("/admin/").status_code == 200

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_the_login_of_django_is_never_shown(self, client: SecureClient, operator: User, method: str) -> None:
        form = {"username": "olga", "password": PASSWORD}
        answer = getattr(client, method)("/admin/login/", form)
        assert (answer.status_code, answer["Location"]) == (302, "/sign-in?next=/admin/")
        assert client.get("/admin/").status_code == 302

    def test_the_way_past_the_login_of_django_ends_at_home(self, at_admin: SecureClient) -> None:
        answer = at_admin.get("/admin/login/?next=https://evil.example/", follow=True)
        assert answer.redirect_chain[-1] == ("/", 302)

    def test_the_limits_of_the_sign_in_page_hold(
        self, client: SecureClient, operator: User, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_SIGN_IN_NAME = "3/m"
        for _ in range(3):
            sign_in(client, "olga", "wrong")
        assert sign_in(client, "olga", PASSWORD, QUERY_STRING="next=/admin/").status_code == 429

    def test_an_operator_who_is_one_no_longer_is_refused(self, at_admin: SecureClient) -> None:
        User.objects.update(is_staff=False)
        assert at_admin.get("/admin/").status_code == 403

    def test_signing_out_of_the_admin_ends_the_session(self, at_admin: SecureClient) -> None:
        assert at_admin.post("/admin/logout/")["Location"] == "/sign-in"
        assert at_admin.get("/admin/").status_code == 302


NONSENSE = [
    "username=%00",
    "username__contains=%00",
    "username__regex=(",
    "username__iregex=%5B",
    "username__trigram_similar=x",
    "username__unaccent=x",
    "email__exact=%00",
    "id=abc",
    "id=%00",
    "id__in=1,a",
    "id=99999999999999999999999",
    "uuid=1",
    "uuid__exact=%00",
    "is_active__exact=%00",
    "is_active__exact=2",
    "groups__id__exact=%00",
    "date_joined__gte=%00",
    "date_joined__year=0",
    "date_joined__year=99999999999",
    "date_joined__year=abc",
    "date_joined__date=2026-13-01",
    "last_login__isnull=%00",
    "last_login__isnull=perhaps",
    "password__startswith=a",
    "nothing=%00",
    "q=%00",
    "q=%F0%9F",
    "o=%00",
    "o=abc.-.9999999999999999999",
    "p=%00",
    "p=-1",
    "p=99999999999999999999999999",
    "all=%00",
    "_to_field=%00",
    "_popup=%00",
    "e=%00",
]


class TestNarrowing:
    """A list that can be narrowed by what it does not show shows it, letter by letter."""

    @pytest.mark.parametrize(
        "query",
        [
            "session__session_key__regex=^[a-f]", "session__session_key__gte=a", "session=x", "session__gt=a",
            "refresh_digest__startswith=a", "address=127.0.0.1", "user__password__startswith=a", "user__email__gt=a",
        ],
    )  # fmt: skip
    def test_of_sign_ins_by_what_is_not_offered(self, at_admin: SecureClient, alice: User, query: str) -> None:
        tokens.issue_pair(alice)
        assert at_admin.get(f"{FAMILIES}?{query}").status_code == 400

    def test_of_every_list_is_by_its_filters_only(self, at_admin: SecureClient) -> None:
        for model, model_admin in admin.site._registry.items():
            hidden = {field.attname for field in model._meta.concrete_fields} - set(model_admin.list_display)
            declared: Any = model_admin.list_filter
            offered = {each if isinstance(each, str) else each[0] for each in declared}
            for name in hidden - offered - {f"{each}_id" for each in offered}:
                address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/?{name}__gte=a"
                assert at_admin.get(address).status_code in {400, 403}, address

    def test_by_what_is_offered_works(self, at_admin: SecureClient) -> None:
        assert at_admin.get(f"{USERS}?is_staff__exact=1").status_code == 200
        assert at_admin.get(f"{FAMILIES}?kind__exact=page").status_code == 200


class TestGroups:
    """A group is powers, and its members are everybody in it."""

    @pytest.mark.parametrize("deed", ["add", "change", "delete"])
    def test_are_for_superusers_only(self, deed: str) -> None:
        group = Group.objects.create(name="helpers")
        helper = make_user("otto", is_staff=True)
        helper.groups.add(group)
        helper.user_permissions.set(Permission.objects.filter(codename__endswith="_group"))
        path = {"add": "add/", "change": f"{group.pk}/change/", "delete": f"{group.pk}/delete/"}[deed]
        chosen = Permission.objects.get(codename="change_user").pk
        signed_in = SecureClient()
        signed_in.force_login(helper)
        answer = signed_in.post(f"/admin/auth/group/{path}", {"name": "x", "permissions": [chosen], "post": "yes"})
        assert answer.status_code == 403
        assert (Group.objects.get().name, Group.objects.get().permissions.count()) == ("helpers", 0)

    def test_with_all_permissions_are_taken_by_a_superuser(self, at_admin: SecureClient) -> None:
        everything = list(Permission.objects.values_list("pk", flat=True))
        answer = at_admin.post("/admin/auth/group/add/", {"name": "everything", "permissions": everything})
        assert (answer.status_code, Group.objects.get().permissions.count()) == (302, len(everything))


class TestNonsense:
    @pytest.mark.parametrize("query", NONSENSE)
    def test_in_the_address_of_a_list_does_no_harm(self, at_admin: SecureClient, query: str) -> None:
        answer = at_admin.get(f"{USERS}?{query}")
        assert answer.status_code in {200, 302, 400}
        if answer.status_code == 302:
            assert answer["Location"] == f"{USERS}?e=1"
            assert at_admin.get(answer["Location"]).status_code == 200

    @pytest.mark.parametrize(
        "query",
        ["date_joined__year=0", "date_joined__gte=%00", "is_active__regex=("],
    )
    def test_that_the_database_would_not_take_is_told_as_such(self, at_admin: SecureClient, query: str) -> None:
        assert at_admin.get(f"{USERS}?{query}")["Location"] == f"{USERS}?e=1"

    @pytest.mark.parametrize("query", ["user__username=%00", "uuid=x", "revoked_reason=%00", "user__id__exact=a"])
    def test_in_the_list_of_sign_ins_too(self, at_admin: SecureClient, alice: User, query: str) -> None:
        tokens.issue_pair(alice)
        assert at_admin.get(f"{FAMILIES}?{query}").status_code in {302, 400}

    @pytest.mark.parametrize("term", ["%00", "a%00b", "%F0%9F", "x" * 5000])
    def test_in_autocompletion(self, at_admin: SecureClient, term: str) -> None:
        path = "/admin/autocomplete/?app_label=accounts&model_name=tokenfamily&field_name=user"
        assert at_admin.get(f"{path}&term={term}").status_code == 200

    @pytest.mark.parametrize("chosen", ["abc", "\0", "", "1 OR 1=1", "9" * 30])
    def test_as_a_selection(self, at_admin: SecureClient, chosen: str) -> None:
        assert act(at_admin, USERS, "sign_out_everywhere", chosen).status_code in {302, 400}
        assert set(User.objects.values_list("session_epoch", flat=True)) == {0}

    @pytest.mark.parametrize(
        "path", ["abc/change/", "%00/change/", "1%00/history/", "9" * 30 + "/change/", "x/password/"]
    )
    def test_as_a_key(self, at_admin: SecureClient, path: str) -> None:
        assert at_admin.get(f"{USERS}{path}").status_code in {302, 404}

    @pytest.mark.parametrize("field", ["username", "email", "first_name"])
    def test_in_a_form(self, at_admin: SecureClient, alice: User, field: str) -> None:
        answer = at_admin.post(f"{USERS}{alice.pk}/change/", user_form(alice, **{field: "a\0b"}))
        assert answer.status_code == 200
        alice.refresh_from_db()
        assert alice.username == "alice"


class TestUsers:
    @pytest.mark.parametrize("path", [USERS, f"{USERS}?q=ali", f"{USERS}?is_staff__exact=1", f"{USERS}add/"])
    def test_pages_answer(self, at_admin: SecureClient, alice: User, path: str) -> None:
        assert at_admin.get(path).status_code == 200

    def test_can_be_found_by_name_and_id(self, at_admin: SecureClient, alice: User) -> None:
        for term in ("alic", str(alice.uuid)):
            assert f"{USERS}{alice.pk}/change/" in at_admin.get(f"{USERS}?q={term}").content.decode()
        assert f"{USERS}{alice.pk}/change/" not in at_admin.get(f"{USERS}?q=nobody").content.decode()

    def test_what_machines_write_cannot_be_written(self, at_admin: SecureClient, alice: User) -> None:
        forged = {
            "uuid": str(UUID(int=0)),
            "session_epoch": "7",
            "last_login_0": "2020-01-01",
            "last_login_1": "00:00",
            "date_joined_0": "2020-01-01",
            "date_joined_1": "00:00",
            "password": "clear text",
        }
        before = User.objects.filter(pk=alice.pk).values().get()
        answer = at_admin.post(f"{USERS}{alice.pk}/change/", user_form(alice, **forged))
        assert answer.status_code == 302
        assert User.objects.filter(pk=alice.pk).values().get() == before

    def test_a_new_user_gets_a_hashed_password(self, at_admin: SecureClient) -> None:
        form = {
            "username": "new",
            "password1": NEW_PASSWORD,
            "password2": NEW_PASSWORD,
            "usable_password": "true",
        }
        assert at_admin.post(f"{USERS}add/", form).status_code == 302
        created = User.objects.get(username="new")
        assert created.password != NEW_PASSWORD
        assert created.check_password(NEW_PASSWORD)

    @pytest.mark.parametrize(
        "password", ["short", "1q2w3e4r5t6y7u8i9o0p", "123456789012345678", "newbie-the-user-name"]
    )
    def test_a_weak_password_is_refused(self, at_admin: SecureClient, password: str) -> None:
        form = {
            "username": "newbie-the-user",
            "password1": password,
            "password2": password,
            "usable_password": "true",
        }
        assert at_admin.post(f"{USERS}add/", form).status_code == 200
        assert not User.objects.filter(username="newbie-the-user").exists()

    def test_a_new_password_ends_everything_issued_before(
        self, at_admin: SecureClient, signed_in: SecureClient, alice: User
    ) -> None:
        pair = tokens.issue_pair(alice)
        form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
        assert at_admin.post(f"{USERS}{alice.pk}/password/", form).status_code == 302
        assert not is_good(pair.access)
        with pytest.raises(InvalidToken):
            tokens.rotate(pair.refresh)
        assert signed_in.get("/api/v1/me").status_code == 401

    def test_ones_own_new_password_needs_the_old_one_and_keeps_this_session_only(
        self, at_admin: SecureClient, operator: User
    ) -> None:
        elsewhere = SecureClient()
        elsewhere.force_login(operator)
        # The admin has no form of its own for this.
        page = at_admin.get("/admin/password_change/")["Location"]
        form = {"current": "wrong", "new": NEW_PASSWORD, "again": NEW_PASSWORD}
        assert at_admin.post(page, form).status_code == 400
        assert at_admin.post(page, {**form, "current": PASSWORD}).status_code == 302
        assert at_admin.get("/admin/").status_code == 200
        assert elsewhere.get("/admin/").status_code == 302

    def test_ones_own_address_is_not_changed_here(self, at_admin: SecureClient, operator: User) -> None:
        page = f"{USERS}{operator.pk}/change/"
        assert at_admin.post(page, user_form(operator, email="thief@example.net", last_name="Ada")).status_code == 302
        operator.refresh_from_db()
        assert (operator.email, operator.last_name) == ("", "Ada")

    def test_somebody_elses_address_is(self, at_admin: SecureClient, alice: User) -> None:
        page = f"{USERS}{alice.pk}/change/"
        assert at_admin.post(page, user_form(alice, email="ada@example.net")).status_code == 302
        assert User.objects.get(pk=alice.pk).email == "ada@example.net"

    def test_deactivating_ends_everything_also_for_a_later_return(
        self, at_admin: SecureClient, signed_in: SecureClient, alice: User
    ) -> None:
        pair = tokens.issue_pair(alice)
        path = f"{USERS}{alice.pk}/change/"
        at_admin.post(path, user_form(alice, is_active=None))
        assert not is_good(pair.access)
        at_admin.post(path, user_form(alice, is_active="on"))
        assert User.objects.get(pk=alice.pk).is_active
        assert not is_good(pair.access)
        with pytest.raises(InvalidToken):
            tokens.rotate(pair.refresh)
        assert signed_in.get("/api/v1/me").status_code == 401

    def test_sign_out_everywhere(self, at_admin: SecureClient, signed_in: SecureClient, alice: User) -> None:
        bob = make_user("bob")
        of_alice, of_bob = tokens.issue_pair(alice), tokens.issue_pair(bob)
        answer = act(at_admin, USERS, "sign_out_everywhere", alice.pk)
        assert answer.status_code == 302
        assert not is_good(of_alice.access)
        assert signed_in.get("/api/v1/me").status_code == 401
        assert is_good(of_bob.access)
        assert alice.token_families.get().revoked_reason == "operator"
        assert LogEntry.objects.get().object_id == str(alice.pk)

    def test_a_user_with_sign_ins_can_be_deleted(self, at_admin: SecureClient, alice: User) -> None:
        tokens.issue_pair(alice)
        assert at_admin.post(f"{USERS}{alice.pk}/delete/", {"post": "yes"}).status_code == 302
        assert not User.objects.filter(pk=alice.pk).exists()


class TestPowers:
    """An operator who may change users does not thereby become a superuser."""

    def test_can_change_ordinary_users(self, helper: SecureClient, alice: User) -> None:
        assert helper.post(f"{USERS}{alice.pk}/change/", user_form(alice, email="a@b.example")).status_code == 302
        assert User.objects.get(pk=alice.pk).email == "a@b.example"

    @pytest.mark.parametrize("name", ["alice", "harry"])
    def test_cannot_hand_out_powers(self, helper: SecureClient, alice: User, name: str) -> None:
        user = User.objects.get(username=name)
        permission = Permission.objects.get(codename="add_user")
        powers = {"is_staff": "on", "is_superuser": "on", "user_permissions": [permission.pk]}
        helper.post(f"{USERS}{user.pk}/change/", user_form(user, **powers))
        after = User.objects.get(pk=user.pk)
        assert (after.is_staff, after.is_superuser) == (name == "harry", False)
        assert not after.user_permissions.filter(pk=permission.pk).exists()

    @pytest.mark.parametrize("page", ["change/", "password/", "delete/"])
    def test_cannot_touch_a_superuser(self, helper: SecureClient, operator: User, page: str) -> None:
        form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "post": "yes", "username": "taken"}
        assert helper.post(f"{USERS}{operator.pk}/{page}", form).status_code == 403
        operator.refresh_from_db()
        assert operator.username == "olga"
        assert operator.check_password(PASSWORD)

    @pytest.mark.parametrize("page", ["change/", "password/", "delete/"])
    def test_cannot_touch_another_operator(self, helper: SecureClient, page: str) -> None:
        dave = make_user("dave", is_staff=True)
        form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "post": "yes", "username": "taken"}
        assert helper.post(f"{USERS}{dave.pk}/{page}", form).status_code == 403
        dave.refresh_from_db()
        assert dave.check_password(PASSWORD)

    def test_cannot_sign_a_superuser_out(self, helper: SecureClient, operator: User, alice: User) -> None:
        act(helper, USERS, "sign_out_everywhere", operator.pk, alice.pk)
        epochs = dict(User.objects.values_list("username", "session_epoch"))
        assert (epochs["olga"], epochs["alice"]) == (0, 1)

    def test_a_reader_can_do_nothing(self, alice: User) -> None:
        reader = make_user("rita", is_staff=True)
        reader.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_tokenfamily"]))
        client = SecureClient()
        client.force_login(reader)
        pair = tokens.issue_pair(alice)
        assert client.get(USERS).status_code == client.get(FAMILIES).status_code == 200
        act(client, USERS, "sign_out_everywhere", alice.pk)
        act(client, FAMILIES, "revoke", alice.token_families.get().pk)
        assert is_good(pair.access)


class TestSignIns:
    def test_are_listed_with_their_state(self, at_admin: SecureClient, alice: User) -> None:
        tokens.issue_pair(alice)
        tokens.sign_out(tokens.issue_pair(alice).refresh)
        page = at_admin.get(FAMILIES).content.decode()
        assert "live" in page
        assert "revoked" in page

    def test_show_neither_digest_nor_session(self, at_admin: SecureClient, alice: User) -> None:
        tokens.issue_pair(alice)
        family = alice.token_families.get()
        page = at_admin.get(f"{FAMILIES}{family.pk}/change/")
        assert page.status_code == 200
        assert family.refresh_digest not in page.content.decode()

    @pytest.mark.parametrize("page", ["add/", "{}/change/", "{}/delete/"])
    def test_cannot_be_written(self, at_admin: SecureClient, alice: User, page: str) -> None:
        tokens.issue_pair(alice)
        before = TokenFamily.objects.values().get(user=alice)
        answer = at_admin.post(f"{FAMILIES}{page.format(before['id'])}", {"revoked_reason": "x", "post": "yes"})
        assert answer.status_code == 403
        assert TokenFamily.objects.values().get(user=alice) == before

    @pytest.mark.parametrize("who", ["at_admin", "helper"])
    def test_can_be_revoked_one_by_one(self, request: pytest.FixtureRequest, alice: User, who: str) -> None:
        client = request.getfixturevalue(who)
        first, second = tokens.issue_pair(alice), tokens.issue_pair(alice)
        family = TokenFamily.objects.get(uuid=tokens.identity_of(first.access).standing[1])
        act(client, FAMILIES, "revoke", family.pk)
        assert (is_good(first.access), is_good(second.access)) == (False, True)
        assert LogEntry.objects.get().object_id == str(family.pk)


def test_drf_brings_no_login_form_of_its_own(client: SecureClient, db: Any) -> None:
    assert client.get("/api-auth/login/").status_code == 404
