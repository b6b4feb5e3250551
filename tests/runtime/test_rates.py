"""Rates as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffsweb import env
from ffsweb.web.measures import rate_from_words, rate_in_words


@pytest.mark.parametrize(
    ("text", "bytes_per_second"),
    [
        ("5 MB/s", 5_000_000),
        ("800kB", 800_000),
        ("40 Mbit/s", 5_000_000),
        ("1.5M", 1_500_000),
        ("2000000", 2_000_000),
        (" 1 gbit/s ", 125_000_000),
        ("10mbps", 10_000_000),
    ],
)
def test_a_rate_is_read_and_written_as_the_same(text: str, bytes_per_second: int) -> None:
    assert rate_from_words(text) == bytes_per_second
    assert rate_from_words(rate_in_words(bytes_per_second)) == bytes_per_second


@pytest.mark.parametrize(
    "text", ["", "fast", "5 MiB/s", "-1", "0", "999", "5 MB/min", "1e9", "99999 GB/s", "5,5 MB/s"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a rate"):
        rate_from_words(text)


def test_odd_rates_are_written_in_bytes() -> None:
    assert rate_in_words(1_234_567) == "1234.567 kB/s"
    assert rate_from_words(rate_in_words(1_234_567)) == 1_234_567


def test_the_installation_has_no_limit_unless_it_is_given_one() -> None:
    def read(**variables: str) -> env.Environment:
        return env.read(variables, base=Path("/nowhere"), uid=0, pid=1)

    assert read().bandwidth == 0
    assert read(FFSWEB_BANDWIDTH="40 Mbit/s").bandwidth == 5_000_000
    with pytest.raises(env.EnvironmentProblem, match="FFSWEB_BANDWIDTH"):
        read(FFSWEB_BANDWIDTH="much")
