"""Which addresses may be called: by their text, and by what their names resolve to."""

import logging
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import given, strategies
from hypothesis import settings as settings_of_search
from pytest_django import Settings
from yarl import URL

from personalq.lib import http
from personalq.lib.http import HttpRefused, check_url, fetch
from personalq.lib.outbound.addresses import REFUSED_IPV4, REFUSED_IPV6, is_public
from personalq.lib.outbound.exchange import CheckedAddresses
from tests.lib.outbound.cases import ALLOWED, ALLOWED_ADDRESSES, REFUSED, REFUSED_NAMES, Refused, RefusedName
from tests.lib.outbound.names import Names
from tests.wire.server import WireServer, answering

pytestmark = pytest.mark.security


def refusal_of(url: str) -> HttpRefused:
    with pytest.raises(HttpRefused) as caught:
        check_url(url)
    return caught.value


def test_table_is_as_long_as_promised() -> None:
    assert len({case.url for case in REFUSED}) + len(REFUSED_NAMES) + len(ALLOWED) >= 150
    assert len({case.url for case in REFUSED}) == len(REFUSED)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.kind}: {case.url[:60]!a}")
def test_url_is_refused(case: Refused) -> None:
    assert refusal_of(case.url).reason == case.reason


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.kind}: {case.url[:60]!a}")
async def test_refused_url_asks_no_name_server(case: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, {})
    with pytest.raises(HttpRefused) as caught:
        await fetch("GET", case.url)
    assert (caught.value.reason, names.asked) == (case.reason, [])


@pytest.mark.parametrize(("url", "written"), ALLOWED)
def test_url_is_allowed_and_written_anew(url: str, written: str) -> None:
    assert str(check_url(url)) == written


@pytest.mark.parametrize(("url", "_"), ALLOWED)
def test_connecting_library_reads_the_same_host_and_port(url: str, _: str) -> None:
    ours = check_url(url)
    theirs = URL(str(ours), encoded=True)
    assert (theirs.scheme, theirs.raw_host, theirs.port) == (ours.scheme, ours.host, ours.port)
    assert (theirs.raw_user, theirs.raw_password, theirs.raw_fragment) == (None, None, "")


@pytest.mark.parametrize("address", ALLOWED_ADDRESSES)
def test_neighbour_of_a_refused_network_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("network", [*REFUSED_IPV4, *REFUSED_IPV6], ids=str)
def test_both_ends_of_a_refused_network_are_not_public(network: object) -> None:
    assert not is_public(str(network[0]))  # type: ignore[index]
    assert not is_public(str(network[-1]))  # type: ignore[index]


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "01.2.3.4", "2606:4700::1%1", "8.8.8.8%1", "134744072"])
def test_what_is_no_plain_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("case", REFUSED_NAMES, ids=lambda case: case.kind)
async def test_name_with_one_address_that_is_not_public_is_refused(
    case: RefusedName, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(monkeypatch, {"innocent.example.com": [case.addresses]})
    with pytest.raises(HttpRefused) as caught:
        await fetch("GET", "https://innocent.example.com/")
    assert caught.value.reason == "address_refused"
    assert names.asked == ["innocent.example.com."]


async def test_name_of_a_listening_local_server_is_refused_before_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with WireServer(answering()) as server:
        Names(monkeypatch, {"rebound.example.com": [["127.0.0.1"]]})
        with pytest.raises(HttpRefused):
            await fetch("GET", f"https://rebound.example.com:{server.port}/")
        assert server.connections == 0


async def test_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, {})
    with pytest.raises(HttpRefused) as caught:
        await fetch("GET", "https://nobody.example.com/")
    assert caught.value.reason == "host_not_found"


async def test_name_with_too_many_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, {"crowd.example.com": [[f"93.184.215.{number}" for number in range(65)]]})
    with pytest.raises(HttpRefused) as caught:
        await fetch("GET", "https://crowd.example.com/")
    assert caught.value.reason == "host_not_found"


async def test_connection_goes_to_the_address_that_was_checked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WireServer(answering(200, b"first")) as first:
        settings.PERSONALQ_INTERNAL_HOSTS = [f"turncoat.example.com:{first.port}"]
        names = Names(monkeypatch, {"turncoat.example.com": [["127.0.0.1"], ["127.0.0.2"]]})
        answer = await fetch("GET", f"http://turncoat.example.com:{first.port}/")
        assert (answer.body, names.asked) == (b"first", ["turncoat.example.com"])


async def test_every_call_is_checked_anew(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    with WireServer(answering()) as server:
        settings.PERSONALQ_INTERNAL_HOSTS = [f"api.example.com:{server.port}"]
        names = Names(monkeypatch, {"api.example.com": [["127.0.0.1"]]})
        async with http.client() as client:
            await client.get(f"http://api.example.com:{server.port}/")
            settings.PERSONALQ_INTERNAL_HOSTS = []
            with pytest.raises(HttpRefused) as caught:
                await client.get(f"https://api.example.com:{server.port}/")
        assert caught.value.reason == "address_refused"
        assert (len(names.asked), server.connections) == (2, 1)


def test_socket_is_opened_only_to_an_address_that_was_checked() -> None:
    addresses = CheckedAddresses(check_url("https://8.8.8.8:8443/"))
    with addresses.open_socket((2, 1, 6, "", ("8.8.8.8", 8443))) as allowed:
        assert allowed.fileno() > 0
    for wrong in [("127.0.0.1", 8443), ("8.8.8.8", 443), ("8.8.4.4", 8443)]:
        with pytest.raises(HttpRefused) as caught:
            addresses.open_socket((2, 1, 6, "", wrong))
        assert caught.value.reason == "address_refused"


async def test_only_the_name_of_the_url_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, {"b.example.com": [["93.184.215.14"]]})
    addresses = CheckedAddresses(check_url("https://a.example.com/"))
    with pytest.raises(HttpRefused):
        await addresses.resolve("b.example.com", 443)
    assert names.asked == []


class TestOperatorsList:
    async def test_entry_allows_http_and_an_internal_address(self, settings: Settings) -> None:
        with WireServer(answering(200, b"inside")) as server:
            settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
            assert (await fetch("GET", server.url)).body == b"inside"

    @pytest.mark.parametrize("name", ["127.0.0.1", "[::1]", "localhost", "LOCALHOST"])
    async def test_entry_may_be_an_address_or_a_bare_name(self, name: str, settings: Settings) -> None:
        with WireServer(answering(200, b"inside"), address="::1" if "[" in name else "127.0.0.1") as server:
            settings.PERSONALQ_INTERNAL_HOSTS = [f"{name.lower()}:{server.port}"]
            assert (await fetch("GET", f"http://{name}:{server.port}/")).body == b"inside"

    @pytest.mark.parametrize(
        "url",
        [
            "http://runner.internal/",
            "http://runner.internal:8081/",
            "https://runner.internal:443/",
            "http://other.internal:8080/",
            "http://sub.runner.internal:8080/",
            "http://runner.internal.:8080/",
            "http://10.0.0.5:8080/",
        ],
    )
    async def test_entry_allows_nothing_else(
        self, url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.PERSONALQ_INTERNAL_HOSTS = ["runner.internal:8080"]
        Names(monkeypatch, {"runner.internal": [["10.0.0.5"]], "other.internal": [["10.0.0.5"]]})
        with pytest.raises(HttpRefused) as caught:
            await fetch("GET", url)
        assert caught.value.reason in {"bad_url", "address_refused"}

    async def test_same_address_by_another_name_stays_refused(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with WireServer(answering()) as server:
            settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
            Names(monkeypatch, {"evil.example.com": [["127.0.0.1"]], "localhost": [["127.0.0.1"]]})
            with pytest.raises(HttpRefused) as caught:
                await fetch("GET", f"https://evil.example.com:{server.port}/")
            assert (caught.value.reason, server.connections) == ("address_refused", 0)

    @pytest.mark.parametrize("url", ["http://user@localhost:{}/", "http://localhost:{}/#a", "http://localhost:{}\\@a/"])
    def test_entry_does_not_loosen_the_grammar(self, url: str, settings: Settings) -> None:
        settings.PERSONALQ_INTERNAL_HOSTS = ["localhost:8080"]
        assert refusal_of(url.format(8080)).reason == "bad_url"


class TestWhatIsTold:
    def test_refusal_names_neither_host_nor_address_nor_query(self) -> None:
        for case in REFUSED:
            text = f"{refusal_of(case.url)} {refusal_of(case.url)!r}"
            assert "127." not in text
            assert "secret" not in text

    async def test_refused_name_does_not_tell_its_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Names(monkeypatch, {"innocent.example.com": [["10.11.12.13"]]})
        with pytest.raises(HttpRefused) as caught:
            await fetch("GET", "https://innocent.example.com/path?key=hunter2", headers={"X-Key": "hunter3"})
        told = f"{caught.value} {caught.value!r}"
        assert "PERSONALQ_INTERNAL_HOSTS" in told
        assert not any(part in told for part in ("10.11", "hunter", "innocent", "path"))

    async def test_refused_address_leaves_a_line_for_the_operator(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        Names(monkeypatch, {"innocent.example.com": [["10.11.12.13"]]})
        with caplog.at_level(logging.WARNING, "personalq.outbound"), pytest.raises(HttpRefused):
            await fetch("GET", "https://innocent.example.com/path?key=hunter2")
        (record,) = caplog.records
        assert vars(record)["fields"] == {"host": "innocent.example.com"}
        assert "hunter2" not in record.getMessage()

    def test_checked_url_shows_neither_path_nor_query(self) -> None:
        checked = check_url("https://example.com/private/hook?key=hunter2")
        assert "example.com" in repr(checked)
        assert "private" not in repr(checked)
        assert "hunter2" not in repr(checked)


FRAGMENTS = [
    *(
        "https://",
        "http://",
        "HTTPS:",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "#",
        "?",
        "%",
        "%2e",
        "%00",
        ".",
        "..",
        "[",
        "]",
        "::1",
    ),
    *(
        "127.0.0.1",
        "127.1",
        "0x7f",
        "0177",
        "2130706433",
        "localhost",
        "example.com",
        "a",
        "-",
        "_",
        "8.8.8.8",
        "443",
        "0",
    ),
    *(
        " ",
        "\t",
        "\n",
        "\x00",
        "。",
        "１",
        "ä",
        "\u200b",
        "xn--",
        "ffff:",
        "2606:4700::1111",
        "%25eth0",
        "user",
        "*",
        ";",
    ),
]


@given(strategies.lists(strategies.sampled_from(FRAGMENTS), max_size=9).map(lambda parts: "https://" + "".join(parts)))
@settings_of_search(max_examples=1000, deadline=None)
def test_every_parser_reads_an_accepted_url_alike(url: str) -> None:
    try:
        ours = check_url(url)
    except HttpRefused:
        return
    written = str(ours)
    assert check_url(written) == ours
    for theirs in (URL(written, encoded=True), httpx2.URL(written), urlsplit(written)):
        host = getattr(theirs, "raw_host", None) or getattr(theirs, "host", None) or getattr(theirs, "hostname", None)
        host = host.decode() if isinstance(host, bytes) else str(host)
        assert host.strip("[]") == ours.host
        assert (theirs.port or 443) == ours.port
    assert is_public(ours.host) or (not ours.is_literal and "." in ours.host)
