"""Signatures as the Standard Webhooks library makes and checks them."""

from base64 import b64decode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from webhooks.outbound import signing

DELIVERY = UUID("0123abcd-4567-49ab-8def-0123456789ab")
# The specification's own example.
SECRET, BODY, AT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}', 1_614_265_330


def test_example_of_the_specification_is_signed_alike() -> None:
    signature = signing._sign(SECRET, b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + BODY)
    assert signature == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_headers_are_those_of_the_standard() -> None:
    headers = signing.headers_for(DELIVERY, BODY, secrets_newest_first=[SECRET], at=AT)
    expected = Webhook(SECRET).sign(f"msg_{DELIVERY.hex}", datetime.fromtimestamp(AT, UTC), BODY.decode())
    assert headers == {
        "webhook-id": f"msg_{DELIVERY.hex}",
        "webhook-timestamp": str(AT),
        "webhook-signature": expected,
    }


def test_each_secret_signs_and_no_other_verifies() -> None:
    secrets = [signing.new_secret(), signing.new_secret()]
    at = int(datetime.now(UTC).timestamp())
    headers = signing.headers_for(DELIVERY, BODY, secrets_newest_first=secrets, at=at)
    for secret in secrets:
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0]).verify(BODY + b" ", headers)


def test_secrets_are_256_random_bits() -> None:
    made = {signing.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(b64decode(secret.removeprefix("whsec_"))) for secret in made} == {32}
