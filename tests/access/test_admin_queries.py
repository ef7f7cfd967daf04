"""0.13: whatever is asked of the lists of the admin, for every model and every field, no answer is an accident."""

from typing import Any, Final
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from tests.accounts.clients import SecureClient
from tests.makers import make_operator

pytestmark = [pytest.mark.django_db, pytest.mark.security]

# Each of them is an error of PostgreSQL or of Python once it reaches the database.
NONSENSE: Final = {"": "\0", "__contains": "a\0", "__regex": "("}
MODELS: Final = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def client(db: None) -> SecureClient:
    client = SecureClient()
    client.force_login(make_operator())
    return client


def queries_for(model: Any) -> list[str]:
    fields = [field.name for field in model._meta.concrete_fields]
    told = [{f"{name}{lookup}": value} for name in fields for lookup, value in NONSENSE.items()]
    asked = [{"q": "\0"}, {"o": "\0"}, {"p": "\0"}, {"nothing": "\0"}, {"q": "(", "o": "9.9.-"}]
    return [urlencode(each, errors="surrogatepass") for each in (*told, *asked)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_nonsense_in_the_address_of_a_list_is_told_as_such(model: Any, client: SecureClient) -> None:
    place = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    found = {query: client.get(f"{place}?{query}") for query in queries_for(model)}
    accidents = {
        query: answer.status_code for query, answer in found.items() if answer.status_code not in {200, 302, 400}
    }
    assert accidents == {}
    led = {answer["Location"] for answer in found.values() if answer.status_code == 302}
    assert led <= {f"{place}?e=1"}
    assert client.get(f"{place}?e=1").status_code == 200


def test_all_rooms_of_the_product_are_among_them() -> None:
    assert {"accounts", "tasks", "webhooks"} <= {model._meta.app_label for model in MODELS}
    assert len(MODELS) > 35
    assert all(model in apps.get_models() for model in MODELS)
