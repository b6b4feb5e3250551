"""What is made cheap for tests is still what it is elsewhere."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password


def test_a_quick_password_is_one_for_a_servers_hasher_too() -> None:
    made = make_password("correct horse")
    assert made.startswith("pbkdf2_sha256$1$")
    assert PBKDF2PasswordHasher().verify("correct horse", made)
    assert not PBKDF2PasswordHasher().verify("wrong horse", made)
    assert not check_password("wrong horse", made)
