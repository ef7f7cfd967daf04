"""Takes secrets out of text: those we know by value, and whatever looks like one.

Every pattern takes time linear in the length of the text: no attempt scans again what another one scanned.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import quote

REDACTED = "[redacted]"
HIDDEN_PATH = "[path]"
SHORTEST_KNOWN_SECRET = 8
LONGEST_SECRET = 1000
SHORTEST_PARTLY_SHOWN = 20
SHOWN_CHARACTERS = 4

_known: list[str] = []
_in_use: ContextVar[tuple[str, ...]] = ContextVar("secrets_in_use", default=())


def register_secrets(*values: str | None) -> None:
    """Remember values of the process that must never be shown. Those below 8 characters would tear holes into words."""
    _known[:] = _longest_first({*_known, *_spellings(values)})


@contextmanager
def knows(*values: str | None) -> Iterator[None]:
    """Within the block, and in the tasks that it starts, these values are never shown either: not in logs, too.

    For secrets of users, which come and go: they are forgotten when the block ends. An async generator must not
    hold such a block over a `yield`, because it may be ended in another context than the one it began in.
    """
    token = _in_use.set(tuple(_longest_first({*_in_use.get(), *_spellings(values)})))
    try:
        yield
    finally:
        _in_use.reset(token)


def _spellings(values: Iterable[str | None]) -> set[str]:
    known = [value for value in values if value and len(value) >= SHORTEST_KNOWN_SECRET]
    return {each for value in known for each in (value, quote(value, safe=""), json.dumps(value)[1:-1])}


def _longest_first(values: set[str]) -> list[str]:
    # Else a secret within another one would leave the rest of it standing.
    return sorted(values, key=len, reverse=True)


def _not_to_show() -> Iterable[str]:
    in_use = _in_use.get()
    return _longest_first({*_known, *in_use}) if in_use else _known


def redact(text: str, *, hide_paths: bool = False) -> str:
    """``text`` without secrets; with ``hide_paths`` also without absolute file paths, for eyes outside."""
    for value in _not_to_show():
        text = text.replace(value, REDACTED)
    lowered = text.lower()
    for pattern, replacement, words in _RULES:
        if any(word in lowered for word in words):
            text = pattern.sub(replacement, text)
    return _FILE_PATH.sub(HIDDEN_PATH, text) if hide_paths else text


def redact_beginning(text: str, *, longest: int) -> str:
    """The beginning of ``text``, redacted: in time that does not depend on what is cut off, and with no secret cut."""
    if len(text) <= longest + LONGEST_SECRET:
        return redact(text)[:longest]
    # What the first cut may have divided, and so hidden from all patterns, lies in the end that goes now.
    return redact(text[: longest + LONGEST_SECRET])[:-LONGEST_SECRET][:longest]


def redact_end(text: str, *, longest: int) -> str:
    """As `redact_beginning`, of the other end."""
    if len(text) <= longest + LONGEST_SECRET:
        return redact(text)[-longest:]
    return redact(text[-longest - LONGEST_SECRET :])[LONGEST_SECRET:][-longest:]


def is_secret_name(name: str) -> bool:
    """Whether a member of this name holds a secret, whatever its value looks like."""
    return _SECRET_NAME.fullmatch(name) is not None


def mask(secret: str) -> str:
    """A hint by which an owner knows a secret again: its last 4 characters, of 20 and more."""
    if len(secret) < SHORTEST_PARTLY_SHOWN:
        return "****"
    return f"****{secret[-SHOWN_CHARACTERS:]}"


_KEY_WORDS = (
    r"(?<![a-z])pass|pass(?:word|wd|phrase)|pwd|secret(?:[_-]?(?:access[_-]?)?key)?|"
    r"(?:access|refresh|id|auth|session|csrf(?:middleware)?|xsrf|api|bot)?[_-]?token|"
    r"(?:api|access|private|signing|encryption|session)[_-]?key|"
    r"signature|credentials?|csrftoken|session[_-]?id|authorization|x-[a-z]{1,16}-(?:secret|key|token|signature)"
)
# A pair: in JSON, also in JSON within a string, in Python's repr, in a query string or in plain words. Its
# value stands in escaped quotes, in double or single quotes, or ends where a word ends.
_PAIR = re.compile(
    rf"""(?ix)
    ({_KEY_WORDS})
    (\\{{0,8}}["']?\s{{0,4}}(?:=>|=|:|%3d)\s{{0,4}})
    (?:
        (\\++["'])[^"'\r\n\\]*+
      | (")(?:[^"\\\r\n]++|\\.)*+          # in quotes
      | (')(?:[^'\\\r\n]++|\\.)*+
      | (?:(?:bearer|basic|token)\s{{1,4}})?[^\s"'&,;<>\\]++
    )"""
)
_SECRET_NAME = re.compile(rf"(?i)(?:\w{{0,64}}[_-])?(?:{_KEY_WORDS}|(?:set-)?cookie)")
# Without its end everything after the beginning goes: the key may have been cut.
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----(?:.*?-----END [A-Z0-9 ]{1,40}-----|.*)", re.DOTALL)
# "basic understanding" is prose; credentials in base64 have a digit, a capital or a padding.
_BASIC = re.compile(r"\b([Bb]asic|BASIC)(\s{1,4})(?=[a-z]{0,64}[A-Z0-9+/=])[A-Za-z0-9+/=]{8,}+")
_HEADER_LINE = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\s{0,4}:\s{0,4})[^\s\"'][^\r\n\"']*+")


def _redact_pair(match: re.Match[str]) -> str:
    opening = match[3] or match[4] or match[5] or ""
    return f"{match[1]}{match[2]}{opening}{REDACTED}"


_Replacement = str | Callable[[re.Match[str]], str]

# What to look for, what to put in its place, and the words (in small letters) without which it cannot occur:
# looking for words is a hundred times faster than looking for patterns.
_RULES: tuple[tuple[re.Pattern[str], _Replacement, tuple[str, ...]], ...] = (
    (_PEM, REDACTED, ("-----begin ",)),
    (re.compile(r"(?<=://)[^\s/@\"'<>]*+@"), f"{REDACTED}@", ("://",)),
    (_HEADER_LINE, rf"\1\2{REDACTED}", ("authorization", "cookie")),
    (
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+\.[A-Za-z0-9_-]*+"),
        REDACTED,
        ("eyj",),
    ),
    (re.compile(r"(?i)\b(bearer)(\s{1,4})[A-Za-z0-9._~+/=-]{8,}+"), rf"\1\2{REDACTED}", ("bearer",)),
    (_BASIC, rf"\1\2{REDACTED}", ("basic",)),
    (re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{8,}+"), REDACTED, ("sk-",)),
    (re.compile(r"(?<![A-Za-z0-9])[srp]k_(?:live|test)_[A-Za-z0-9]{8,}+"), REDACTED, ("k_live_", "k_test_")),
    (re.compile(r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{16,}+"), REDACTED, ("gh",)),
    (re.compile(r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{16,}+"), REDACTED, ("github_pat_",)),
    (
        re.compile(r"(?<![A-Za-z0-9])(?:glpat|xox[a-z]|xapp)-[A-Za-z0-9_-]{8,}+"),
        REDACTED,
        ("glpat-", "xox", "xapp-"),
    ),
    (re.compile(r"(?<![A-Za-z0-9])A(?:KI|SI)A[A-Z0-9]{16}(?![A-Z0-9])"), REDACTED, ("akia", "asia")),
    (re.compile(r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{30,}+"), REDACTED, ("aiza",)),
    (re.compile(r"(?<![0-9])[0-9]{6,12}:[A-Za-z0-9_-]{30,}+"), REDACTED, (":",)),
    (re.compile(r"(?<![A-Za-z0-9])(?:pq|whsec)_[A-Za-z0-9_+/=-]{8,}+"), REDACTED, ("pq_", "whsec_")),
    (
        _PAIR,
        _redact_pair,
        ("pass", "pwd", "secret", "token", "key", "signature", "credential", "session", "author"),
    ),
)
_FILE_PATH = re.compile(
    r"(?<![\w/.:~%-])/(?!(?:api|ws|webhooks|agent-tools|mcp|static|admin)(?:/|\b))[\w.@+~-]++/[\w.@+~/-]*+"
    r"|(?<![A-Za-z0-9])[A-Za-z]:\\[^\s\"'<>|]++"
)
