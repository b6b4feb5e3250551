"""What an installation is not started with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ffsweb.checks import Facts, KeyFile, problems

STRONG = "kR7c2vQ9xLw4TfB8nZpY6mHs3JdGa5UeVhXt1CqMrDyNoPiSzWbE"
GOOD = Facts(
    production=True,
    debug=False,
    secret_key=STRONG,
    public_url="https://ffs.example.org",
    hosts=("ffs.example.org",),
    database_url="postgres://ffsweb:vQ9xLw4TfB8n@db/ffsweb",
    data=Path("/srv/data"),
    keys=Path("/srv/keys"),
    key_files=(KeyFile(Path("/srv/keys"), 0o700, 1000), KeyFile(Path("/srv/keys/secret_key"), 0o600, 1000)),
    uid=1000,
)


def test_a_sound_installation_has_no_problem():
    assert problems(GOOD) == ()
    assert problems(replace(GOOD, database_url="sqlite:////srv/data/ffsweb.sqlite3")) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret_key": "short"}, "The secret key is weak"),
        ({"secret_key": "a" * 60}, "The secret key is weak"),
        ({"secret_key": "django-insecure-" + STRONG}, "The secret key is weak"),
        ({"secret_key": "insecure-until-env-is-written-" + STRONG}, "The secret key is weak"),
        ({"debug": True}, "FFSWEB_DEBUG is on"),
        ({"public_url": "http://ffs.example.org"}, "FFSWEB_PUBLIC_URL"),
        ({"hosts": ("*",)}, "FFSWEB_HOSTS allows any name"),
        ({"database_url": "postgres://ffsweb:ffsweb@db/ffsweb"}, "password in DATABASE_URL"),
        ({"database_url": "postgres://ffsweb@db/ffsweb"}, "password in DATABASE_URL"),
        ({"database_url": "postgres://ffsweb:%70ostgres@db/ffsweb"}, "password in DATABASE_URL"),
    ],
)
def test_production_refuses_what_is_weak_or_a_default(changes, words):
    [line] = problems(replace(GOOD, **changes))
    assert words in line
    assert problems(replace(GOOD, production=False, **changes)) == ()


@pytest.mark.parametrize("production", [True, False])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret_key": None}, "There is no secret key"),
        ({"keys": Path("/srv/data/keys")}, "is inside FFSWEB_DATA"),
        ({"keys": Path("/srv/data")}, "is inside FFSWEB_DATA"),
        ({"key_files": (KeyFile(Path("/srv/keys"), 0o755, 1000),)}, "has mode 0755"),
        ({"key_files": (KeyFile(Path("/srv/keys/web/1.private"), 0o640, 1000),)}, "has mode 0640"),
        ({"key_files": (KeyFile(Path("/srv/keys/secret_key"), 0o600, 1001),)}, "belongs to user 1001"),
    ],
)
def test_keys_in_the_wrong_place_or_open_to_others_are_refused_everywhere(production, changes, words):
    [line] = problems(replace(GOOD, production=production, **changes))
    assert words in line


def test_no_message_shows_a_secret():
    bad = replace(GOOD, secret_key="s3ntinel", database_url="postgres://u:password@db/x", hosts=("*",), debug=True)
    assert len(problems(bad)) == 4
    assert "s3ntinel" not in "".join(problems(bad))
