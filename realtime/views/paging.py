"""Keyset pages for people: each page begins beside a row that is named by its public id."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from personalq.lib.errors import InvalidInput

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows, newest first, and the ids beside which the neighbouring pages begin."""

    rows: list[M]
    older_than: UUID | None
    newer_than: UUID | None

    @property
    def is_first(self) -> bool:
        return self.newer_than is None


def page_of(rows: QuerySet[M], *, among: QuerySet[M], size: int, before: UUID | None, after: UUID | None) -> Page[M]:
    """One page of `rows`; before (older than) or after (newer than) a row of `among`, or the first one.

    Raises InvalidInput when both sides are asked for or `among` holds no such row.
    """
    if before and after:
        raise InvalidInput.for_field("before", "conflict", "Send either before or after, not both.")
    if after:
        return _newer(rows, _anchor(among, "after", after), size) or _older(rows, size)
    if before:
        return _older(rows.filter(pk__lt=_anchor(among, "before", before)), size, is_first=False)
    return _older(rows, size)


def _older(rows: QuerySet[M], size: int, *, is_first: bool = True) -> Page[M]:
    found = list(rows.order_by("-pk")[: size + 1])
    return Page(
        rows=found[:size],
        older_than=_id(found[size - 1]) if len(found) > size else None,
        newer_than=_id(found[0]) if found and not is_first else None,
    )


def _newer(rows: QuerySet[M], anchor: int, size: int) -> Page[M] | None:
    """The page just above a row; None when that is the first page, which should be full."""
    found = list(rows.filter(pk__gt=anchor).order_by("pk")[: size + 1])
    if len(found) <= size:
        return None
    shown = found[:size][::-1]
    return Page(rows=shown, older_than=_id(shown[-1]), newer_than=_id(shown[0]))


def _anchor(among: QuerySet[Any], name: str, uuid: UUID) -> int:
    key: int | None = among.filter(uuid=uuid).values_list("pk", flat=True).first()
    if key is None:
        raise InvalidInput.for_field(name, "invalid", "This page is gone. Begin at the first page of the list.")
    return key


def _id(row: Any) -> UUID:
    found: UUID = row.uuid
    return found
