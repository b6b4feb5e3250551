"""Signatures: the vector that Standard Webhooks publishes, and what it is made of."""

from __future__ import annotations

import pytest

from ffsweb.sealed import Secret
from ffsweb.webhooks import signing

KEY = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY = b'{"test": 2432232314}'
IDENTITY, TIMESTAMP = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330


def test_a_signature_is_that_of_standard_webhooks() -> None:
    wanted = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signing.signature(KEY, IDENTITY, TIMESTAMP, BODY) == wanted


def test_during_an_overlap_there_is_one_for_each_secret() -> None:
    other = signing.new_secret()
    made = signing.headers([other, KEY], IDENTITY, TIMESTAMP, BODY)
    assert made["webhook-signature"].split() == [
        signing.signature(other, IDENTITY, TIMESTAMP, BODY),
        signing.signature(KEY, IDENTITY, TIMESTAMP, BODY),
    ]
    assert (made["webhook-id"], made["webhook-timestamp"]) == (IDENTITY, str(TIMESTAMP))


def test_secrets_are_long_and_each_another_one() -> None:
    made = {signing.new_secret().reveal_text() for _ in range(10)}
    assert len(made) == 10 and all(text.startswith("whsec_") and len(text) == 50 for text in made)


def test_a_secret_that_is_none_is_named_without_it() -> None:
    with pytest.raises(ValueError, match="base64") as raised:
        signing.signature(Secret("whsec_no base64"), IDENTITY, TIMESTAMP, BODY)
    assert "no base64" in str(raised.value) and "whsec" not in str(raised.value)
