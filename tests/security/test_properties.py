"""What holds for every input of the parsers and filters that strangers reach, tried with inputs that nobody chose.

The same ones each time; `make fuzz` tries many more, and others.
"""

import ipaddress
import json
import logging
import string
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.tokens import token_text
from personalq.lib import client_address, logs, strict_json
from personalq.lib.errors import MalformedBody
from personalq.lib.outbound import addresses, urls
from personalq.lib.outbound.refusals import HttpRefused
from personalq.lib.redaction import knows, redact
from tasks import timing
from tasks.timing import Interval

pytestmark = pytest.mark.security

# What PostgreSQL and UTF-8 can hold, which is what the parser lets through.
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
NUMBERS = st.integers(-(10**19) + 1, 10**19) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | STORABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STORABLE, inner, max_size=4),
    max_leaves=20,
)
LETTERS = string.ascii_letters + string.digits
SECRETS = st.text(LETTERS, min_size=24, max_size=60).filter(lambda text: any(each.isdigit() for each in text))
# The forms in which secrets turn up in texts of others; {} is the secret.
FORMS = (
    "Authorization: Bearer {}",
    "bearer {}",
    '{{"password": "{}"}}',
    "{{'api_key': '{}'}}",
    '{{\\"client_secret\\": \\"{}\\"}}',
    "https://host.example/path?access_token={}&x=1",
    "postgres://user:{}@host/name",
    "x-personalq-secret: {}",
    "Cookie: __Host-sessionid={}",
    "sk-{}",
    "ghp_{}",
    "glpat-{}",
    "pq_{}",
    "whsec_{}",
    "123456789:{}aaaaaaaaaa",
    "eyJhbGciOiJIUzI1NiJ9.{}.{}",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
)
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)

# --- Bodies ------------------------------------------------------------------------------------------------


@given(raw=st.binary(max_size=300) | st.text('[]{}",:0eE+-.\\u0Dd nulltrfas', max_size=60).map(str.encode))
def test_any_bytes_are_read_as_json_says_or_refused(raw: bytes) -> None:
    """0.9, A-74: no other error, and no reading of its own."""
    try:
        value = strict_json.parse(raw)
    except MalformedBody:
        return
    assert value == json.loads(raw)


@given(document=DOCUMENTS)
def test_every_ordinary_document_is_read(document: Any) -> None:
    assert strict_json.parse(json.dumps(document).encode()) == document


@given(document=DOCUMENTS, depth=st.integers(0, 40))
def test_depth_has_a_limit(document: Any, depth: int) -> None:
    """0.8: what is nested deeper than the limit is refused before it is read."""
    raw = b"[" * depth + b"1" + b"]" * depth
    if depth <= strict_json.MAX_DEPTH:
        strict_json.parse(raw)
    else:
        with pytest.raises(MalformedBody):
            strict_json.parse(raw)


@given(members=st.dictionaries(STORABLE, NUMBERS, min_size=1, max_size=5), data=st.data())
def test_a_key_that_stands_twice_is_refused(members: dict[str, Any], data: st.DataObject) -> None:
    """V15.3.7: nobody reads the first while somebody else reads the last."""
    again = data.draw(st.sampled_from(sorted(members)))
    pairs = [*members.items(), (again, 0)]
    raw = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
    with pytest.raises(MalformedBody):
        strict_json.parse(raw.encode())


@given(before=STORABLE, bad=st.sampled_from(["\\u0000", "\\ud800", "\\udfff", "\\ud800\\u0041"]), after=STORABLE)
def test_text_that_cannot_be_kept_is_refused(before: str, bad: str, after: str) -> None:
    """0.7: NUL and halves of surrogate pairs."""
    raw = f'{{"a": [{json.dumps(before)[:-1]}{bad}{json.dumps(after)[1:]}]}}'
    with pytest.raises(MalformedBody):
        strict_json.parse(raw.encode())


# --- Redaction and logs ------------------------------------------------------------------------------------


@given(before=PLAIN, secret=SECRETS, after=PLAIN, form=st.sampled_from(FORMS))
def test_a_secret_in_a_usual_form_never_survives(before: str, secret: str, after: str, form: str) -> None:
    """A-88, A-90: whatever stands around it."""
    assume(secret not in before + after)
    text = f"{before}\n{form.format(secret, secret)}\n{after}"
    assert secret not in redact(text)


@given(before=PLAIN, secret=st.text(LETTERS + '+/=-_.%&"\\é', min_size=16, max_size=60), after=PLAIN)
def test_a_known_secret_never_survives_in_any_spelling(before: str, secret: str, after: str) -> None:
    """A-88: by its value, also as JSON writes it."""
    with knows(secret):
        assert secret not in redact(before + secret + after)
        assert json.dumps(secret)[1:-1] not in redact(json.dumps(before + secret + after))


PIECES = (
    *("password", 'password="', "password=\\", "token: bearer ", "cookie: ", "secret_access_", "x-a-", '\\\\\\"'),
    *("-----BEGIN A-----", "a:", "://a", "sk-", "eyJaaaaaaaa.", "pq_", "/a", "Basic a", "0123456789:"),
)


@pytest.mark.parametrize("piece", PIECES)
def test_redaction_takes_time_linear_in_the_text(piece: str) -> None:
    """A-74: nobody stops a process by a text that is logged. What is quadratic would take hours."""
    begin = time.process_time()
    redact(piece * (400_000 // len(piece)), hide_paths=True)
    assert time.process_time() - begin < 10


FIELDS = st.dictionaries(
    st.text(st.characters(categories=["Ll"]), min_size=1, max_size=9),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=9),
    max_size=4,
)


@given(
    message=st.text(max_size=200), arguments=st.lists(st.text(max_size=20) | st.integers(), max_size=3), fields=FIELDS
)
def test_whatever_is_logged_is_one_line_of_json_in_ascii(
    message: str, arguments: list[Any], fields: dict[str, Any]
) -> None:
    """V16.4.1: no line of its own, no escape sequence, nothing that a reader of JSON refuses."""
    record = logging.LogRecord("a.b", logging.INFO, __file__, 1, message, tuple(arguments), _failure(message))
    record.fields = fields
    line = logs.JsonFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line, parse_constant=_refuse)["level"] == "INFO"


def _failure(message: str) -> Any:
    try:
        int(message, base=99)
    except ValueError:
        return sys.exc_info()


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


# --- Addresses ---------------------------------------------------------------------------------------------

IPV4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
IPV6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
PRIVATE_NETWORKS = [
    ipaddress.ip_network(each)
    for each in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "0.0.0.0/8",
    )
]


@st.composite
def private_addresses(draw: st.DrawFn) -> ipaddress.IPv4Address:
    network = draw(st.sampled_from(PRIVATE_NETWORKS))
    return ipaddress.IPv4Address(int(network.network_address) + draw(st.integers(0, network.num_addresses - 1)))


def spellings(address: ipaddress.IPv4Address) -> list[str]:
    """Ways in which some resolver or parser takes a text for this address."""
    number, parts = int(address), str(address).split(".")
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    return [
        str(address),
        str(number),
        hex(number),
        oct(number).replace("0o", "0"),
        ".".join(hex(int(part)) for part in parts),
        ".".join(f"0{int(part):o}" for part in parts),
        ".".join(part.zfill(3) for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
        f"{address}.",
        *(
            f"[{inner}]"
            for inner in (f"::ffff:{address}", f"::ffff:{high}:{low}", f"::{address}", f"::ffff:0:{address}")
        ),
        *(f"[{inner}]" for inner in (f"64:ff9b::{address}", f"64:ff9b:1::{address}", f"2002:{high}:{low}::1")),
        f"[2001:0:{high}:{low}::1]",
        f"[::ffff:{address}%25eth0]",
        f"user@{address}",
        f"public.example@{address}",
        f"{address}#public.example",
        f"{address}\\@public.example",
        f"{address}%2f.public.example:443",
        str(address).replace(".", "。"),
        "".join(chr(0xFF10 + int(each)) if each.isdigit() else each for each in str(address)),
    ]


@given(address=private_addresses(), path=st.sampled_from(["", "/", "/a?b=c", ":443/", ":8080"]), data=st.data())
def test_no_spelling_of_an_inner_address_is_let_through(
    address: ipaddress.IPv4Address, path: str, data: st.DataObject
) -> None:
    """A-160, A-184, V1.3.6."""
    host = data.draw(st.sampled_from(spellings(address)))
    for scheme in ("https", "HTTPS", "http"):
        with pytest.raises(HttpRefused):
            urls.parse_url(f"{scheme}://{host}{path}", internal=())


@given(address=IPV4 | IPV6 | private_addresses())
def test_an_address_that_is_called_public_is_global_to_python_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """A-184: the second opinion on our own table, which is stricter."""
    if addresses.is_public(str(address)):
        assert address.is_global
        assert not (address.is_multicast)
        assert not (address.is_reserved)
        assert not (address.is_loopback)
        assert not (address.is_link_local)


@given(text=st.text(max_size=60) | st.text("https:/[]@.0123456789abcdefx%#?\\", max_size=40).map("https://{}".format))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    """V1.3.6: and what was read is read the same again."""
    try:
        checked = urls.parse_url(text, internal=())
    except HttpRefused:
        return
    assert urls.parse_url(str(checked), internal=()) == checked
    assert not checked.is_literal or addresses.is_public(checked.host)


PROXIES = ["10.0.0.0/8", "2001:db8::/32"]
OURS = st.integers(0, 2**24 - 1).map(lambda number: str(ipaddress.IPv4Address((10 << 24) + number)))
OTHERS = IPV4.map(str).filter(lambda text: not text.startswith("10.")) | IPV6.map(str).filter(
    lambda text: not text.startswith("2001:db8:") and "." not in text and not text.startswith("::")
)
HEADERS = st.text(max_size=60) | st.lists(OURS | OTHERS | st.text(max_size=10), max_size=25).map(",".join)


@given(peer=st.text(max_size=30) | OURS | OTHERS, header=HEADERS)
def test_an_address_is_found_for_whatever_comes(peer: str, header: str) -> None:
    """0.16: no error; the answer is an address or the word for none."""
    with override_settings(PERSONALQ_TRUSTED_PROXIES=PROXIES):
        found = client_address.resolve_client_address(peer, header)
        group = client_address.address_group(found)
    assert found == client_address.UNKNOWN or str(ipaddress.ip_address(found))
    assert group == client_address.UNKNOWN or str(ipaddress.ip_network(group))


@given(peer=OTHERS, header=HEADERS)
def test_a_peer_that_is_no_proxy_of_ours_is_the_client(peer: str, header: str) -> None:
    """0.17, V4.1.3: whatever it says about others."""
    with override_settings(PERSONALQ_TRUSTED_PROXIES=PROXIES):
        assert client_address.resolve_client_address(peer, header) == client_address.resolve_client_address(peer, "")


@given(peer=OURS, said=HEADERS, client=OTHERS, proxies=st.lists(OURS, max_size=5))
def test_nothing_left_of_the_first_hop_that_is_not_ours_is_believed(
    peer: str, said: str, client: str, proxies: list[str]
) -> None:
    """0.17: from the right to the left."""
    with override_settings(PERSONALQ_TRUSTED_PROXIES=PROXIES):
        honest = ",".join([client, *proxies])
        found = client_address.resolve_client_address(peer, f"{said},{honest}")
        assert found == client_address.resolve_client_address(peer, honest)
        assert found == str(client_address.parse_address(client))


# --- Tokens and times --------------------------------------------------------------------------------------


@given(text=st.text(max_size=60) | st.text(LETTERS, min_size=43, max_size=43).map("pq_{}".format))
def test_whatever_is_sent_as_a_token_is_judged_without_an_error(text: str) -> None:
    assert token_text.is_well_formed(text) in {True, False}


@given(place=st.integers(0, 45), character=st.characters())
def test_one_wrong_character_makes_a_token_ill_formed(place: int, character: str) -> None:
    """V11.5.1: a mistyped token is told without asking the database."""
    token = token_text.make()
    assume(token[place] != character)
    assert token_text.is_well_formed(token)
    assert not token_text.is_well_formed(token[:place] + character + token[place + 1 :])
    assert not token_text.is_well_formed(token[:-1])


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001


@given(every=st.integers(1, 10**9), start=MOMENTS, after=MOMENTS)
def test_an_interval_is_due_at_whole_steps_from_its_start(every: int, start: datetime, after: datetime) -> None:
    """AF-305: never before the moment, never twice, never between."""
    due = list(islice(Interval(every_seconds=every, starts_at=start).times(after), 5))
    step = timedelta(seconds=every)
    assert all(time > after and time >= start and not (time - start) % step for time in due)
    assert [second - first for first, second in pairwise(due)] == [step] * (len(due) - 1)
    assert not due or due[0] == start or due[0] - step <= after
    assert timing.next_after(Interval(every_seconds=every, starts_at=start), after) == (due[0] if due else None)
