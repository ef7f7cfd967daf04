"""What answers of models cost."""

from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.urls import reverse

from tasks.models import ModelPrice
from tasks.spending import prices
from tasks.spending.usage import Usage
from tests.accounts.clients import SecureClient
from tests.makers import make_operator, make_user

pytestmark = pytest.mark.django_db


def price(model: str = "a-model", provider: str = "anthropic", **fields: Any) -> ModelPrice:
    return ModelPrice.objects.create(
        provider=provider, model=model, **{"input_price": Decimal(3), "output_price": Decimal(15), **fields}
    )


class TestLookUp:
    def found(self, model: str, provider: str = "anthropic") -> str | None:
        row = prices.price_of(provider, model)
        return None if row is None else row.model

    def test_own_row_comes_first_then_the_longest_beginning(self) -> None:
        for model in ("zeta*", "zeta-5*", "zeta-5-5*", "zeta-5-5-fast"):
            price(model)
        assert self.found("zeta-5-5-fast") == "zeta-5-5-fast"
        assert self.found("zeta-5-5-20260101") == "zeta-5-5*"
        assert self.found("zeta-5-6") == "zeta-5*"
        assert self.found("zeta") == "zeta*"

    def test_rows_without_a_star_fit_nothing_else(self) -> None:
        price("zeta-5")
        assert self.found("zeta-5-fast") is None

    def test_providers_have_prices_of_their_own(self) -> None:
        price("zeta*", provider="openai")
        assert self.found("zeta-1") is None
        assert self.found("zeta-1", provider="openai") == "zeta*"

    def test_one_star_fits_every_model_of_a_provider(self) -> None:
        price("*", provider="command")
        assert self.found("anything", provider="command") == "*"

    @pytest.mark.parametrize("model", ["", "%", "_", "%eta", "_eta-5", "x" * 5_000])
    def test_strange_names_find_nothing(self, model: str) -> None:
        price("zeta*")
        assert self.found(model) is None


class TestCost:
    def test_input_and_output_cost_what_the_row_says(self) -> None:
        assert prices.cost_of(price(), Usage(tokens_in=1_000, tokens_out=200)) == Decimal("0.006")

    def test_cached_input_costs_less(self) -> None:
        row = price(cached_input_price=Decimal("0.30"))
        usage = Usage(tokens_in=1_000_000, tokens_out=0, tokens_cached=400_000)
        assert prices.cost_of(row, usage) == Decimal("1.92")

    def test_cached_input_costs_as_much_where_nothing_else_is_said(self) -> None:
        usage = Usage(tokens_in=1_000_000, tokens_out=0, tokens_cached=400_000)
        assert prices.cost_of(price(), usage) == Decimal(3)

    def test_no_more_is_cached_than_came_in(self) -> None:
        row = price(cached_input_price=Decimal(1))
        assert prices.cost_of(row, Usage(tokens_in=1_000_000, tokens_cached=9_000_000)) == Decimal(1)

    def test_parts_of_a_millionth_are_rounded_up(self) -> None:
        row = price(input_price=Decimal("0.10"), output_price=Decimal("0.50"))
        assert prices.cost_of(row, Usage(tokens_in=1)) == Decimal("0.000001")
        assert prices.cost_of(row, Usage()) == 0

    def test_largest_usage_is_counted_exactly(self) -> None:
        row = price(input_price=Decimal("999999.999999"), output_price=Decimal(1))
        assert prices.cost_of(row, Usage(tokens_in=10**9)) == Decimal("999999999.999000")


class TestFirstPrices:
    MIGRATION = import_module("tasks.migrations.0008_first_prices")
    ROWS = MIGRATION.FIRST_PRICES

    @pytest.fixture(autouse=True)
    def first_installation(self) -> None:
        # Tests with transactions of their own empty all tables.
        ModelPrice.objects.all().delete()
        self.MIGRATION.add_prices(apps, None)

    def test_each_is_there(self) -> None:
        assert {(row[0], row[1]) for row in self.ROWS} == set(ModelPrice.objects.values_list("provider", "model"))

    def test_what_operators_changed_stays(self) -> None:
        ModelPrice.objects.filter(model="gpt-5.5").update(input_price=1)
        self.MIGRATION.add_prices(apps, None)
        assert ModelPrice.objects.get(model="gpt-5.5").input_price == 1
        assert ModelPrice.objects.count() == len(self.ROWS)

    @pytest.mark.parametrize(
        ("provider", "model", "paid"),
        [
            ("anthropic", "claude-opus-5-5", (4, 20)),
            ("anthropic", "claude-opus-5", (5, 25)),
            ("anthropic", "claude-opus-4-5-20251101", (5, 25)),
            ("anthropic", "claude-sonnet-5-5", (2, 10)),
            ("anthropic", "claude-haiku-4-5-20251001", (1, 5)),
            ("openai", "gpt-6.2-sol", (2, 10)),
            ("openai", "gpt-5.4", (Decimal("2.5"), 15)),
        ],
    )
    def test_models_cost_what_their_providers_say(self, provider: str, model: str, paid: tuple[Any, Any]) -> None:
        row = prices.price_of(provider, model)
        assert row is not None
        assert (row.input_price, row.output_price) == paid

    def test_unknown_models_have_no_price(self) -> None:
        assert prices.price_of("openai", "gpt-5.4-pro") is None
        assert prices.price_of("anthropic", "claude-99") is None

    def test_none_takes_more_out_than_fits_in(self) -> None:
        assert [row for row in self.ROWS if row[6] >= row[5]] == []

    def test_cached_input_is_never_dearer(self) -> None:
        assert [row for row in self.ROWS if row[3] is not None and Decimal(row[3]) > Decimal(row[2])] == []


class TestAdmin:
    def client(self, *, is_operator: bool) -> SecureClient:
        client = SecureClient()
        client.force_login(make_operator() if is_operator else make_user())
        return client

    def body(self, **fields: str) -> dict[str, str]:
        return {
            "provider": "openai", "model": "llama*", "input_price": "0", "cached_input_price": "",
            "output_price": "0", "context_window": "8192", "most_output": "2048", **fields,
        }  # fmt: skip

    def test_operator_adds_a_price(self) -> None:
        answer = self.client(is_operator=True).post(reverse("admin:tasks_modelprice_add"), self.body())
        assert answer.status_code == 302
        assert prices.price_of("openai", "llama3.2:3b") is not None

    def test_operator_changes_a_price(self) -> None:
        row = price()
        url = reverse("admin:tasks_modelprice_change", args=[row.pk])
        self.client(is_operator=True).post(url, self.body(model="a-model", input_price="7"))
        row.refresh_from_db()
        assert row.input_price == 7

    @pytest.mark.parametrize(
        "wrong", [{"input_price": "-1"}, {"context_window": "0"}, {"model": ""}, {"output_price": "x"}]
    )
    def test_nonsense_is_refused(self, wrong: dict[str, str]) -> None:
        before = ModelPrice.objects.count()
        answer = self.client(is_operator=True).post(reverse("admin:tasks_modelprice_add"), self.body(**wrong))
        assert (answer.status_code, ModelPrice.objects.count()) == (200, before)

    def test_users_do_not_get_in(self) -> None:
        assert self.client(is_operator=False).get(reverse("admin:tasks_modelprice_changelist")).status_code == 403

    def test_database_refuses_negative_prices_and_twins(self) -> None:
        price()
        for fields in ({"model": "b", "input_price": Decimal(-1)}, {"model": "a-model"}):
            with pytest.raises(IntegrityError), transaction.atomic():
                price(**fields)
