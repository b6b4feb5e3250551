"""What the environment may say, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffsweb import env
from ffsweb.variables import VARIABLES, markdown

BASE = Path("/srv/ffsweb")


def read(**variables: str) -> env.Environment:
    return env.read(variables, base=BASE, uid=1000, pid=42)


def test_nothing_needs_to_be_set():
    values = read()
    assert (values.host, values.port, values.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert (values.data, values.keys) == (BASE / "var/data", BASE / "var/keys")
    assert values.private_valkey
    assert values.redis_url == f"unix://{BASE}/var/data/run/valkey.sock"
    assert values.database_url == f"sqlite:///{BASE}/var/data/ffsweb.sqlite3"
    assert not values.production
    assert not values.debug
    assert values.unknown == ()


def test_tests_never_touch_the_data_of_an_installation():
    values = read(PYTEST_VERSION="9")
    assert values.process == "test"
    assert "ffsweb-test-1000-42" in str(values.data)
    assert read(PYTEST_VERSION="9", FFSWEB_PROCESS="web").data == BASE / "var/data"


def test_a_value_may_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text("$ecret with a dollar sign\n")
    assert read(FFSWEB_SECRET_KEY_FILE=str(tmp_path / "key")).secret_key == "$ecret with a dollar sign"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(env.EnvironmentProblem, match="FFSWEB_SECRET_KEY_FILE names a file that could not be read"):
        read(FFSWEB_SECRET_KEY_FILE=str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8000", ("::1", 8000)), ("localhost:65535", ("localhost", 65535))],
)
def test_addresses(text, expected):
    assert env.address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "8000", ":8000", "host:", "host:x", "host:0", "host:65536", "::1:8000", "host:-1"]
)
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(env.EnvironmentProblem, match="FFSWEB_ADDRESS"):
        env.address(text)


def test_the_public_address_of_an_ipv6_listener_has_its_brackets():
    assert read(FFSWEB_ADDRESS="[::1]:8000").public_url == "http://[::1]:8000"


@pytest.mark.parametrize(
    "text", ["ffs.example.org", "ftp://x", "https://", "https://x/path", "https://x?q", "https://u@x", "https://x:0"]
)
def test_a_public_url_that_is_none_is_refused(text):
    with pytest.raises(env.EnvironmentProblem, match="FFSWEB_PUBLIC_URL"):
        read(FFSWEB_PUBLIC_URL=text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FFSWEB_ENVIRONMENT", "prod"),
        ("FFSWEB_DEBUG", "maybe"),
        ("FFSWEB_LOG_FORMAT", "xml"),
        ("FFSWEB_LOG_LEVEL", "LOUD"),
        ("FFSWEB_PROCESS", "thing"),
        ("FFSWEB_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("FFSWEB_DASHBOARD_ADDRESSES", "my-laptop"),
        ("FFSWEB_METRICS_TOKEN", "too-short"),
        ("FFSWEB_METRICS_TOKEN", "with a blank in its middle"),
        ("FFSWEB_METRICS_ADDRESSES", "prometheus.example.org"),
        ("FFSWEB_UPLOAD_LIMIT", "-1"),
        ("FFSWEB_UPLOAD_LIMIT", "0"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name, value):
    with pytest.raises(env.EnvironmentProblem, match=name):
        read(**{name: value})


def test_misspelt_variables_are_found():
    assert read(FFSWEB_DATAA="x", FFSWEB_KEYS_FILE_FILE="x", FFSWEB_TEST_REQUIRE="", OTHER="x").unknown == (
        "FFSWEB_DATAA",
        "FFSWEB_KEYS_FILE_FILE",
    )


def test_production_answers_to_its_public_name_and_to_its_own_health_check_only():
    values = read(FFSWEB_ENVIRONMENT="production", FFSWEB_PUBLIC_URL="https://ffs.example.org/")
    assert values.hosts == ("ffs.example.org", "127.0.0.1")
    assert values.log_format == "json"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock"),
        ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
    ],
)
def test_celery_gets_the_same_server_in_its_own_spelling(given, expected):
    assert env.celery_url(given) == expected


def test_a_long_data_directory_moves_the_socket_where_its_path_fits():
    deep = Path("/srv") / ("d" * 60) / ("é" * 20)
    directory = env.valkey_directory(deep, 1000)
    assert directory.parent == Path("/tmp")
    assert len(bytes(directory / "valkey.sock")) <= env.SOCKET_PATH_LIMIT
    assert directory != env.valkey_directory(deep / "other", 1000)
    assert env.valkey_directory(Path("/srv/data"), 1000) == Path("/srv/data/run")


def test_the_longest_socket_path_that_fits_is_not_moved():
    fits = Path("/" + "x" * (env.SOCKET_PATH_LIMIT - len("//run/valkey.sock")))
    assert env.valkey_directory(fits, 1) == fits / "run"
    assert env.valkey_directory(Path(f"{fits}x"), 1).parent == Path("/tmp")


def test_the_documentation_lists_every_setting():
    document = Path(__file__).parents[2] / "docs" / "settings.md"
    assert document.read_text() == markdown(), "run: ffs settings > docs/settings.md"
    assert len({variable.name for variable in VARIABLES}) == len(VARIABLES)
