"""ElevenLabs' signatures, against digests that openssl has made."""

import pytest

from webhooks.voice.signature import FARTHEST_SECONDS, OLDEST_SECONDS, verify

pytestmark = pytest.mark.security

SECRET = "wsec_0123456789abcdef0123456789abcdef"
AT = 1_763_840_000
VECTORS = {
    b'{"type":"post_call_transcription"}': "a18e8a3596180a6dcf5aee3011402c772c3742eb1ff60fda0d2305f86bd362ab",
    b"": "3a2d53125d0e62935e7ee5e5a91814b4b07749dcc87c02e8da7e94c831b40486",
    '{"message":"grüße"}'.encode(): "f5eab72865cb62dc0a175fbd427e41201227b30b2fcf7a8c6642584c10f62a35",
}
BODY, DIGEST = next(iter(VECTORS.items()))
GOOD = f"t={AT},v0={DIGEST}"
HEADERS = {
    "nothing": "",
    "a time alone": f"t={AT}",
    "a digest alone": f"v0={DIGEST}",
    "another scheme": f"t={AT},v1={DIGEST}",
    "a bare digest": DIGEST,
    "capitals": f"t={AT},v0={DIGEST.upper()}",
    "a short digest": f"t={AT},v0={DIGEST[:-1]}",
    "a long digest": f"t={AT},v0={DIGEST}0",
    "a wrong digest": f"t={AT},v0={'0' * 64}",
    "another time": f"t={AT + 1},v0={DIGEST}",
    "a signed time": f"t=+{AT},v0={DIGEST}",
    "a time with a fraction": f"t={AT}.0,v0={DIGEST}",
    "digits that are not ASCII": f"t=١٧٦٣٨٤٠٠٠٠,v0={DIGEST}",
    "two digests, the good one first": f"{GOOD},v0={'0' * 64}",
    "two digests, the good one last": f"t={AT},v0={'0' * 64},v0={DIGEST}",
    "the same digest twice": f"{GOOD},v0={DIGEST}",
    "a digest in a wrong form and a good one": f"t={AT},v0=x,v0={DIGEST}",
    "two times": f"t={AT},t={AT},v0={DIGEST}",
    "spaces": f"t={AT}, v0={DIGEST}",
    "no commas": f"t={AT} v0={DIGEST}",
    "a flood": f"{GOOD}{',x=y' * 1000}",
    "not ASCII": f"t={AT},v0={'é' * 64}",
}


@pytest.mark.parametrize(("body", "digest"), VECTORS.items())
def test_digests_of_others_are_taken(body: bytes, digest: str) -> None:
    assert verify(SECRET, f"t={AT},v0={digest}", body, AT)


def test_parts_of_other_schemes_are_left_aside() -> None:
    assert verify(SECRET, f"{GOOD},v1=x", BODY, AT)


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_everything_else_is_refused(header: str) -> None:
    assert not verify(SECRET, header, BODY, AT)


@pytest.mark.parametrize(
    ("age", "is_taken"),
    [(OLDEST_SECONDS, True), (OLDEST_SECONDS + 1, False), (-FARTHEST_SECONDS, True), (-FARTHEST_SECONDS - 1, False)],
)
def test_only_what_was_signed_lately_is_taken(age: int, *, is_taken: bool) -> None:
    assert verify(SECRET, GOOD, BODY, AT + age) is is_taken


@pytest.mark.parametrize("body", [BODY + b" ", BODY[:-1], b""])
def test_another_body_is_refused(body: bytes) -> None:
    assert not verify(SECRET, GOOD, body, AT)


@pytest.mark.parametrize("secret", ["", " " * 40, "wsec_short", SECRET[:-1], f"{SECRET} ", SECRET.upper()])
def test_another_secret_is_refused_and_one_that_proves_nothing_too(secret: str) -> None:
    assert not verify(secret, GOOD, BODY, AT)
