"""The engine of the pages' sessions: Django's, but for what finds a row.

A browser's cookie carries a random key. Django keeps that key itself, and whoever reads a dump or a replica is signed
in as everybody who is. Here a row stands under a keyed digest of it, so the database opens nothing. 40 hexadecimal
digits are 160 bits of an HMAC-SHA256, as many as Django's column holds and about as many as a key has.

`request.session.session_key` is what the cookie carries: it is for that cookie alone. Whatever stands for a session
elsewhere, such as `TokenFamily.session`, has `row_key_of`.
"""

from typing import Any, Final

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

DIGEST_CHARACTERS: Final = 40


@sensitive_variables()
def digest_of(session_key: str) -> str:
    """The primary key of a session's row: a digest under a key made from SECRET_KEY for this alone."""
    text = session_key.encode("utf-8", "replace")
    return salted_hmac("accounts.session_store", text, algorithm="sha256").hexdigest()[:DIGEST_CHARACTERS]


def row_key_of(session: SessionBase) -> str | None:
    """The primary key that the row of a session has or will have; None as long as the session has no key."""
    return None if session.session_key is None else digest_of(session.session_key)


class SessionStore(db.SessionStore[Session]):
    """Django's store in the database, with digests in it. Keys that it takes and returns are those of cookies."""

    def _get_session_from_db(self) -> Session | None:
        row = self._rows().first()
        if row is None:
            self._session_key = None
        return row

    async def _aget_session_from_db(self) -> Session | None:
        row = await self._rows().afirst()
        if row is None:
            self._session_key = None
        return row

    def _rows(self) -> QuerySet[Session]:
        key = row_key_of(self)
        rows: QuerySet[Session] = self.model.objects.filter(session_key=key, expire_date__gt=timezone.now())
        return rows

    def exists(self, session_key: str) -> bool:
        return super().exists(digest_of(session_key))

    async def aexists(self, session_key: str) -> bool:
        return await super().aexists(digest_of(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = super().create_model_instance(data)
        row.session_key = digest_of(row.session_key)
        return row

    async def acreate_model_instance(self, data: dict[str, Any]) -> Session:
        row = await super().acreate_model_instance(data)
        row.session_key = digest_of(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            super().delete(digest_of(key))

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            await super().adelete(digest_of(key))
