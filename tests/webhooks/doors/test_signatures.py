"""Signatures by fixed vectors of the senders' own documentation, and what is no signature."""

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks

from webhooks.doors.signatures import body_hmac, github, gitlab, standard
from webhooks.doors.signatures.base import TOLERANCE_SECONDS, Arrival, is_fresh
from webhooks.models import Door

pytestmark = pytest.mark.security

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
# standard-webhooks/standard-webhooks, libraries: the sample that all of them are tested with.
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_BODY = b'{"test": 2432232314}'
SENT_AT = 1_614_265_330.0


def arrival(body: bytes, headers: dict[str, str], *, now: float = SENT_AT, door: Door | None = None) -> Arrival:
    lowered = {name.lower(): value for name, value in headers.items()}
    return Arrival(door=door, body=body, header=lambda name: lowered.get(name.lower()), now=now)


class TestStandardWebhooks:
    def test_vector_of_the_libraries(self) -> None:
        assert standard.verify(STANDARD_SECRET, arrival(STANDARD_BODY, STANDARD_HEADERS))

    def test_our_answer_is_that_of_the_library(self) -> None:
        now = time.time()
        signature = standardwebhooks.Webhook(STANDARD_SECRET).sign("msg_1", datetime.fromtimestamp(int(now), UTC), "{}")
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now)), "webhook-signature": signature}
        assert standard.verify(STANDARD_SECRET, arrival(b"{}", headers, now=now))

    @pytest.mark.parametrize(
        "signature",
        [
            "v1,AAAA {good}",
            "{good} v1,AAAA",
            "v1a,AAAA {good}",
            "{good} {good}",
        ],
    )
    def test_one_good_signature_among_several_is_enough(self, signature: str) -> None:
        good = STANDARD_HEADERS["webhook-signature"]
        headers = {**STANDARD_HEADERS, "webhook-signature": signature.format(good=good)}
        assert standard.verify(STANDARD_SECRET, arrival(STANDARD_BODY, headers))

    @pytest.mark.parametrize("secret", [STANDARD_SECRET.removeprefix("whsec_"), STANDARD_SECRET])
    def test_mark_of_the_secret_makes_no_difference(self, secret: str) -> None:
        assert standard.verify(secret, arrival(STANDARD_BODY, STANDARD_HEADERS))

    @pytest.mark.parametrize(
        "changes",
        [
            {"webhook-id": "msg_other"},
            {"webhook-id": ""},
            {"webhook-id": "é"},
            {"webhook-timestamp": "1614265331"},
            {"webhook-timestamp": "1614265330.0"},
            {"webhook-timestamp": " 1614265330"},
            {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
            {"webhook-timestamp": "9" * 30},
            {"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
            {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
            {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"},
            {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=,"},
            {"webhook-signature": "v1,"},
            {"webhook-signature": ","},
            {"webhook-signature": "v1," + "A" * 5_000},
            {"webhook-signature": "v1,AAAA " * 20 + "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        ],
    )
    def test_anything_else_is_refused(self, changes: dict[str, str]) -> None:
        assert not standard.verify(STANDARD_SECRET, arrival(STANDARD_BODY, {**STANDARD_HEADERS, **changes}))

    @pytest.mark.parametrize("missing", STANDARD_HEADERS)
    def test_each_header_is_needed(self, missing: str) -> None:
        headers = {name: value for name, value in STANDARD_HEADERS.items() if name != missing}
        assert not standard.verify(STANDARD_SECRET, arrival(STANDARD_BODY, headers))

    def test_another_body_is_refused(self) -> None:
        assert not standard.verify(STANDARD_SECRET, arrival(b'{"test": 2432232315}', STANDARD_HEADERS))

    @pytest.mark.parametrize(
        ("seconds", "is_good"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)]
    )
    def test_five_minutes_either_way_are_close_enough(self, seconds: int, *, is_good: bool) -> None:
        found = standard.verify(STANDARD_SECRET, arrival(STANDARD_BODY, STANDARD_HEADERS, now=SENT_AT + seconds))
        assert found is is_good

    @pytest.mark.parametrize("secret", ["", "whsec_", "whsec_***", "not base64"])
    def test_secret_that_spells_no_key_opens_nothing(self, secret: str) -> None:
        empty = "v1," + base64.b64encode(hmac.digest(b"", b"x.1614265330.{}", "sha256")).decode()
        headers = {**STANDARD_HEADERS, "webhook-id": "x", "webhook-signature": empty}
        assert not standard.verify(secret, arrival(b"{}", headers))


class TestGitHub:
    def test_vector_of_the_documentation(self) -> None:
        assert github.verify(GITHUB_SECRET, arrival(b"Hello, World!", {"X-Hub-Signature-256": GITHUB_SIGNATURE}))

    @pytest.mark.parametrize(
        "signature",
        [
            "",
            GITHUB_SIGNATURE.upper(),
            GITHUB_SIGNATURE.removeprefix("sha256="),
            GITHUB_SIGNATURE.replace("sha256", "sha1"),
            GITHUB_SIGNATURE[:-1],
            GITHUB_SIGNATURE + "0",
            f" {GITHUB_SIGNATURE}",
            "sha256=é",
        ],
    )
    def test_anything_else_is_refused(self, signature: str) -> None:
        assert not github.verify(GITHUB_SECRET, arrival(b"Hello, World!", {"X-Hub-Signature-256": signature}))

    def test_older_signature_is_not_looked_at(self) -> None:
        digest = hmac.new(GITHUB_SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
        assert not github.verify(GITHUB_SECRET, arrival(b"{}", {"X-Hub-Signature": f"sha1={digest}"}))

    def test_body_counts_byte_for_byte(self) -> None:
        found = github.verify(GITHUB_SECRET, arrival(b"Hello, World! ", {"X-Hub-Signature-256": GITHUB_SIGNATURE}))
        assert not found


class TestGitLab:
    def test_token_is_compared_as_it_is(self) -> None:
        token = "a-token-that-gitlab-knows"
        given: dict[str | None, bool] = {token: True, token.upper(): False, f"{token}x": False, "": False}
        for value, is_good in given.items():
            assert gitlab.verify(token, arrival(b"{}", {"X-Gitlab-Token": value or ""})) is is_good

    def test_id_of_a_delivery_goes_before_that_of_an_event(self) -> None:
        both = {"Idempotency-Key": "delivery", "X-Gitlab-Event-UUID": "event"}
        assert gitlab.key_of(arrival(b"{}", both), {}) == "delivery"
        assert gitlab.key_of(arrival(b"{}", {"X-Gitlab-Event-UUID": "event"}), {}) == "event"


def acme(**fields: Any) -> Door:
    usual = {"signature_header": "X-Sig", "signature_digest": "sha256", "signature_encoding": "hex"}
    return Door(kind="hmac", **{**usual, **fields})


class TestGenericHmac:
    SECRET = "a-secret-of-the-sender"
    DIGEST = hmac.new(SECRET.encode(), b"{}", hashlib.sha256).hexdigest()

    @pytest.mark.parametrize("case", ["lower", "upper"])
    def test_hexadecimal_digits_may_be_capitals(self, case: str) -> None:
        given = {"X-Sig": getattr(self.DIGEST, case)()}
        assert body_hmac.verify(self.SECRET, arrival(b"{}", given, door=acme()))

    def test_prefix_is_needed_when_the_door_names_one(self) -> None:
        door = acme(signature_prefix="sha256=")
        assert body_hmac.verify(self.SECRET, arrival(b"{}", {"X-Sig": f"sha256={self.DIGEST}"}, door=door))
        assert not body_hmac.verify(self.SECRET, arrival(b"{}", {"X-Sig": self.DIGEST}, door=door))

    def test_time_is_signed_and_has_to_be_close(self) -> None:
        door = acme(timestamp_header="X-Time")
        stamp = str(int(SENT_AT))
        digest = hmac.new(self.SECRET.encode(), f"{stamp}.".encode() + b"{}", hashlib.sha256).hexdigest()
        headers = {"X-Sig": digest, "X-Time": stamp}
        assert body_hmac.verify(self.SECRET, arrival(b"{}", headers, door=door))
        assert not body_hmac.verify(self.SECRET, arrival(b"{}", headers, door=door, now=SENT_AT + 301))
        assert not body_hmac.verify(self.SECRET, arrival(b"{}", {"X-Sig": self.DIGEST}, door=door))
        later = {**headers, "X-Time": str(int(SENT_AT) + 1)}
        assert not body_hmac.verify(self.SECRET, arrival(b"{}", later, door=door))

    def test_where_no_door_is_the_usual_one_is_looked_at(self) -> None:
        given = arrival(b"{}", {"X-Signature": self.DIGEST})
        assert (body_hmac.proof_header(None), body_hmac.verify("another secret", given)) == ("X-Signature", False)


@pytest.mark.parametrize("text", [None, "", "-5", "1e3", "0x10", "1 ", "1_0", "²"])
def test_times_that_are_none(text: str | None) -> None:
    assert not is_fresh(text, 0)


def test_tolerance_is_that_of_the_standard() -> None:
    assert TOLERANCE_SECONDS == 300
