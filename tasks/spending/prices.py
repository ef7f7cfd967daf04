"""What answers of models cost, by the table that operators keep (`tasks.models.ModelPrice`)."""

from decimal import ROUND_UP, Decimal
from typing import Final

from django.db.models import QuerySet

from tasks.models import ModelPrice
from tasks.models.price import ANY_MODEL_LENGTH
from tasks.spending.usage import Usage

TOKENS_OF_A_PRICE: Final = 1_000_000
SMALLEST_COST: Final = Decimal("0.000001")


def price_of(provider: str, model: str) -> ModelPrice | None:
    """The row for a model: its own one, else the longest beginning with a * that fits; None when nobody knows."""
    name = model[:ANY_MODEL_LENGTH]
    patterns = [f"{name[:length]}*" for length in range(len(name) + 1)]
    found = ModelPrice.objects.filter(provider=provider, model__in=[name, *patterns])
    return max(found, key=lambda price: (price.model == name, len(price.model)), default=None)


def all_prices() -> QuerySet[ModelPrice]:
    """The whole table, which everybody may read."""
    return ModelPrice.objects.all()


def cost_of(price: ModelPrice, usage: Usage) -> Decimal:
    """What was consumed, in US dollars, rounded up to a millionth.

    (fresh input * input price + cached input * cached input price + output * output price) / 1,000,000. Fresh is the
    input that the provider had not kept from before. Without a price for cached input it costs as much as other input.
    """
    tokens_in, tokens_out = usage.tokens_in or 0, usage.tokens_out or 0
    cached = min(usage.tokens_cached, tokens_in)
    cached_price = price.input_price if price.cached_input_price is None else price.cached_input_price
    millionths = (tokens_in - cached) * price.input_price + cached * cached_price + tokens_out * price.output_price
    return (millionths / TOKENS_OF_A_PRICE).quantize(SMALLEST_COST, ROUND_UP)
