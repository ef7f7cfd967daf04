"""Somebody who speaks SQL to the tests' PostgreSQL as a role of their own, on a connection of their own."""

from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import psycopg
from django.db import connection


def name_role() -> str:
    """A name that no test beside this one takes: all of them share one server."""
    return f"agent_{uuid4().hex[:12]}"


def connect(name: str, password: str, *, database: str = "") -> "psycopg.Connection[tuple[Any, ...]]":
    used = connection.settings_dict
    return psycopg.connect(
        host=used["HOST"],
        port=used["PORT"],
        dbname=database or used["NAME"],
        user=name,
        password=password,
        autocommit=True,
    )


class Agent:
    """One connection as the role."""

    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self.password = password
        self._connection = connect(name, password)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Send one statement as it is written; the rows that come back."""
        cursor = self._connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def columns(self, statement: str) -> list[str]:
        return [column.name for column in self._connection.execute(statement).description or ()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
