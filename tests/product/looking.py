"""Secrets that were planted, and everything that a signed-in user can read."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.product.caller import Caller
from tests.product.traces import finds, forms_of

FOR_OPERATORS: Final = ("/readiness", "/task-operator", "/task-operator/lock", "/invitations")
"""What only operators may read."""


@dataclass
class Planted:
    """The secrets by what they are. They look like nothing, so that only knowing them takes them out."""

    keys: dict[str, str] = field(default_factory=dict)

    def plant(self, what: str) -> str:
        self.keys[what] = f"x{secrets.token_hex(24)}"
        return self.keys[what]

    def found_in(self, text: bytes) -> list[str]:
        return [what for what, secret in self.keys.items() if finds(forms_of(secret), text)]


def read_everything(caller: Caller) -> None:
    """Every GET of the API, with each of the objects that lists tell of."""
    document = caller.get("/schema")
    ids: dict[str, list[str]] = {}
    for path in sorted(path for path, methods in document["paths"].items() if "get" in methods):
        for address in addresses(caller, path, ids):
            status = caller.ask("GET", address).status
            assert status == 200 or (status == 403 and path.endswith(FOR_OPERATORS)), (status, address)


def addresses(caller: Caller, path: str, ids: dict[str, list[str]]) -> list[str]:
    """What a path stands for; `ids` keeps what lists told already."""
    collection, placeholder, rest = path.partition("/{uuid}")
    if not placeholder:
        return [path] if not path.endswith("/schema") else []
    if collection not in ids:
        ids[collection] = [*list_ids(caller, collection, ids)]
    return [f"{collection}/{one}{rest}" for one in ids[collection]]


def list_ids(caller: Caller, collection: str, ids: dict[str, list[str]]) -> Iterator[str]:
    """Of the latest hundred objects; operators look at everybody's."""
    if collection.endswith(FOR_OPERATORS) and caller.ask("GET", collection).status == 403:
        return
    whole = f"{collection}?page_size=100"
    # Some lists are short, and have one page.
    lists = [whole if caller.ask("GET", whole).status == 200 else collection]
    if collection.endswith("/artifacts"):
        lists = [f"{address}/artifacts" for address in addresses(caller, "/api/v1/tasks/{uuid}", ids)]
    elif collection.endswith("/webhook-deliveries"):
        endpoints = addresses(caller, "/api/v1/webhook-endpoints/{uuid}", ids)
        lists = [f"{address}/deliveries?page_size=100" for address in endpoints]
    elif caller.ask("GET", f"{collection}?owner=all").status == 200:
        lists = [f"{collection}?page_size=100&owner=all"]
    for address in lists:
        yield from (one["uuid"] for one in caller.get(address)["results"])
