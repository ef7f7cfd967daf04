import re
import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from tests.makers import make_operator, make_user

TOLD = re.compile(r"Sign in as admin with the password (\S+)\n")


def ensure() -> str:
    said = StringIO()
    call_command("ensure_first_operator", stdout=said)
    return said.getvalue()


@pytest.mark.django_db
def test_first_operator_can_sign_in_with_the_printed_password() -> None:
    told = TOLD.search(ensure())
    assert told is not None
    assert len(told[1]) >= 20
    operator = User.objects.get(username="admin")
    assert operator.is_superuser
    assert operator.is_staff
    assert operator.check_password(told[1])


@pytest.mark.django_db
def test_password_is_told_only_once() -> None:
    ensure()
    again = ensure()
    assert TOLD.search(again) is None
    assert "changepassword admin" in again
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_existing_operator_is_named_and_no_other_made() -> None:
    make_operator("olga")
    assert "changepassword olga" in ensure()
    assert not User.objects.filter(username="admin").exists()


@pytest.mark.django_db
def test_disabled_operator_lets_nobody_in_so_another_is_made() -> None:
    User.objects.filter(pk=make_operator("olga").pk).update(is_active=False)
    assert TOLD.search(ensure())


@pytest.mark.django_db
def test_ordinary_user_called_admin_is_never_promoted() -> None:
    user = make_user("admin")
    with pytest.raises(CommandError, match="createsuperuser"):
        ensure()
    user.refresh_from_db()
    assert not user.is_superuser


@pytest.mark.django_db(transaction=True)
def test_racing_starts_make_one_operator_and_tell_one_password() -> None:
    racers = 6
    gate, said = threading.Barrier(racers), list[str]()

    def race() -> None:
        gate.wait()
        said.append(ensure())
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == racers
    assert sum(1 for answer in said if TOLD.search(answer)) == 1
    assert User.objects.filter(is_superuser=True).count() == 1
