"""What a secret looks like in a line of text."""

import math
import re
from collections import Counter
from collections.abc import Iterator

# Keys that announce themselves. Each pattern has one group: the secret, or the part of it that tells it from others.
_FORMS = {
    "private key": r"(-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----)",
    "AWS": r"\b(A(?:KIA|SIA)[0-9A-Z]{16})\b",
    "GitHub": r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    "GitLab": r"\b(gl(?:pat|rt|dt|ptt)-[\w-]{20,})",
    "Slack": r"\b(xox[abeoprs]-[\w-]{10,})",
    "Slack webhook": r"hooks\.slack\.com/services/(T\w+/B\w+/\w+)",
    "Google": r"\b(AIza[\w-]{35})\b",
    "Anthropic": r"\b(sk-ant-[\w-]{20,})",
    "OpenAI": r"\b(sk-(?!ant-)(?:proj-|svcacct-)?[\w-]{20,})",
    "ElevenLabs": r"\b(sk_[0-9a-f]{32,})\b",
    "Stripe": r"\b([rs]k_live_\w{16,})",
    "Standard Webhooks": r"\b(whsec_[A-Za-z0-9+/=]{24,})",
    "Telegram": r"(?<![\w:])(\d{8,10}:[\w-]{35})(?![\w-])",
    "JSON Web Token": r"\b(eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})",
    "Cursor": r"\b(key_[0-9a-f]{60,})\b",
    "npm": r"\b(npm_[A-Za-z0-9]{36})\b",
    "PyPI": r"\b(pypi-[\w-]{32,})",
    "Hugging Face": r"\b(hf_[A-Za-z0-9]{34})\b",
    "personal token of ours": r"\b(pq_[A-Za-z0-9]{43})\b",
    "password in an address": r"\b[a-z][a-z0-9+]{1,20}://[^\s:/@\"'`<>{}$]*:([^\s@/\"'`<>{}$%]{6,})@",
}
_NAMES = (
    r"secret|passw(?:or)?d|token|api_?key|access_?key|private_?key|signing_?key|encryption_?keys?|credential|bearer"
)
_PAIR = re.compile(
    rf"(?i)(?:{_NAMES})\w*[\"'\]]{{0,3}}(?:\s*:\s*\w+)?\s*(?:=|:|=>)\s*[brf]{{0,2}}[\"']([^\"'\s]{{12,}})[\"']"
)
_ASSIGNMENT = re.compile(r"^(?:export )?[A-Z0-9_]*(?:SECRET|PASSWORD|TOKEN|KEYS?)[A-Z0-9_]*=([^\s\"'$<>{}`]{12,})$")
_KNOWN_FORMS = [(rule, re.compile(pattern)) for rule, pattern in _FORMS.items()]
_LEAST_BITS = 3.4
# A name, a path, a sentence or a reference to something else is not random.
_WORD = r"(?:[A-Za-z]{1,24}\d{0,2}|\d{1,4})"
_WORDS = re.compile(rf"/?{_WORD}(?:[-_./:,]{_WORD})*/?|[a-z_]{{1,40}}(?:\.[A-Za-z_]\w{{0,40}})+")


def found_in(line: str) -> Iterator[tuple[str, str]]:
    """Each secret of a line, with the rule that saw it."""
    seen: set[str] = set()
    for rule, pattern in _KNOWN_FORMS:
        for match in pattern.finditer(line):
            seen.add(match[1])
            yield rule, match[1]
    for pattern in (_PAIR, _ASSIGNMENT):
        for match in pattern.finditer(line):
            if is_random(match[1]) and not any(match[1] in other or other in match[1] for other in seen):
                yield "value of a secret name", match[1]


def is_random(value: str) -> bool:
    """Whether nobody would have thought of this value."""
    return bits_of(value) >= _LEAST_BITS and not _WORDS.fullmatch(value) and not set("{}<>$()[]") & set(value)


def bits_of(value: str) -> float:
    """Shannon entropy in bits per character."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
