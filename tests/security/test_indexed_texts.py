"""0.14: PostgreSQL refuses a row whose indexed text is too long for a page of the index, so none can become so long."""

from typing import Final

import pytest
from django.db import connection

from personalq.lib.http import HttpRefused, check_url

pytestmark = [pytest.mark.django_db, pytest.mark.security]

# A third of a page of 8 KiB, less what belongs to the page; a character takes four bytes at most.
MOST_BYTES: Final = 2_704
# Addresses: each of them went through the outbound client's reader.
ASCII_ALONE: Final = {("runner_targets", "base_url")}
# Columns by their number, and those that an expression is made of.
INDEXED_TEXTS: Final = """
SELECT t.relname, a.attname, CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 END
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_am m ON m.oid = i.relam AND m.amname = 'btree'
JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND (
    a.attnum = ANY(x.indkey::int2[])
    OR a.attnum IN (SELECT d.refobjsubid FROM pg_depend d WHERE d.objid = i.oid AND d.refobjid = t.oid)
)
WHERE a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bytea'::regtype, 'jsonb'::regtype)
"""


def indexed_texts() -> set[tuple[str, str, int | None]]:
    """Table, column and the most characters that it takes, if there is a limit."""
    with connection.cursor() as cursor:
        cursor.execute(INDEXED_TEXTS)
        return set(cursor.fetchall())


def can_be_too_long(table: str, column: str, characters: int | None) -> bool:
    bytes_each = 1 if (table, column) in ASCII_ALONE else 4
    return characters is None or characters * bytes_each > MOST_BYTES


def test_no_text_in_an_index_can_grow_too_long_for_it() -> None:
    assert [row for row in indexed_texts() if can_be_too_long(*row)] == []


def test_addresses_are_ascii() -> None:
    for path in ("é", "\N{SNOWMAN}", "\U0001f98a"):
        with pytest.raises(HttpRefused):
            check_url(f"https://runner.example.org/{path}")


def test_whoever_looks_finds_the_texts_that_are_indexed() -> None:
    found = {(table, column) for table, column, _ in indexed_texts()}
    assert {("users", "username"), ("inbound_requests", "key"), ("runner_targets", "base_url")} <= found
