"""The unit of a service: its golden text, its quoting, and the values it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.quadlet import (
    Header,
    Mode,
    Port,
    UnitError,
    UnitSpec,
    parse_header,
    placeholder,
    render,
    unit_diff,
)
from deployments.core.unit_quote import quote_word, word_problem
from deployments.core.unit_text import UnitTextError, assignments

GOLDEN = Path(__file__).parent / "golden"
A, B, C = "a" * 64, "b" * 64, "c" * 64

FULL = UnitSpec(
    project="serbest",
    service="www",
    node="node-a",
    release=3,
    image_id=f"sha256:{A}",
    ports=(Port(443, 8443), Port(53, 53, "udp")),
    environment=(
        ("GREETING", 'günaydın "you", it\'s 100% $HOME\n\tand\\so on'),
        ("FFS_SERVICE", "www"),
        ("EMPTY", ""),
    ),
    certificate=B,
    credentials_version="v7",
    credentials=("env.SECRET", "cert_pass"),
    supervisor=C,
    interpreter="/usr/bin/python3.11",
    entrypoint=("/bin/sh", "-c"),
    command=('exec "$APP" --rate=50%\nline2;', "a b", "''", "$", "%"),
    operation="op-12",
    documentation="https://example.org/serbest",
)


def test_a_unit_with_everything_is_the_golden_one() -> None:
    assert render(FULL) == (GOLDEN / "ffs-www.container").read_text()


def test_the_placeholder_waits_for_the_first_deploy() -> None:
    text = placeholder(project="serbest", service="www", node="node-a", ports=[Port(443, 8443)])
    lines = text.splitlines()
    assert "Image=ffs.internal/serbest:none" in lines
    assert "ConditionPathExists=/var/lib/ffs/www/deployed" in lines
    assert {"Pull=never", "Notify=true", "WatchdogSec=180", "RestartSteps=5"} <= set(lines)
    assert not [line for line in lines if line.startswith(("Exec=", "Entrypoint=", "LoadCredentialEncrypted="))]
    assert parse_header(text) == Header("serbest", "www", 0, "none", "none", "none", "none")


@pytest.mark.parametrize(
    ("mode", "there", "absent"),
    [
        (Mode.SUPERVISOR, {"Notify=true", "WatchdogSec=180", "WatchdogSignal=SIGTERM"}, ()),
        (
            Mode.OWN,
            {"Notify=true", "WatchdogSec=180", "Environment=WATCHDOG_USEC=180000000"},
            ("Exec=", "Entrypoint="),
        ),
        (
            Mode.HEALTH,
            {"Notify=healthy", "HealthOnFailure=kill"},
            ("Watchdog", "Exec=", "Entrypoint=", "Environment=WATCHDOG"),
        ),
        (
            Mode.NONE,
            {"Restart=on-failure"},
            ("Notify=", "HealthOn", "Watchdog", "Exec=", "Entrypoint=", "Environment=WATCHDOG"),
        ),
    ],
)
def test_each_mode_of_supervision_has_its_lines(mode: Mode, there: set[str], absent: tuple[str, ...]) -> None:
    lines = render(replace(FULL, mode=mode)).splitlines()
    assert there <= set(lines)
    assert [line for line in lines if absent and line.startswith(absent)] == []
    assert any("/ffs/supervisor.py:ro,z" in line for line in lines) is (mode is Mode.SUPERVISOR)


def test_the_supervisor_waits_for_a_slow_start_as_long_as_systemd_does_and_asks_what_it_is_told_to() -> None:
    # systemd's clock starts first, so it is systemd that loses patience first, and starts the container anew.
    unit = render(
        replace(FULL, start_timeout=900, probe="http://127.0.0.1:8080/a?b=%41", entrypoint=("/app",), command=())
    )
    lines = unit.splitlines()
    assert "TimeoutStartSec=900" in lines
    asked = '--start-timeout 900 --probe "http://127.0.0.1:8080/a?b=%%41"'
    assert f"Exec=-I -S /ffs/supervisor.py --sd-notify {asked} -- /app" in lines


def test_the_images_settings_for_python_reach_the_program_and_not_the_supervisor() -> None:
    unit = render(replace(FULL, environment=(("PYTHONPATH", "/app"),)))
    assert "Environment=PYTHONPATH=/app\n" in unit
    assert "Entrypoint=/usr/bin/python3.11\nExec=-I -S /ffs/supervisor.py --sd-notify " in unit


def test_no_watchdog_means_no_watchdog_lines() -> None:
    assert "atchdog" not in render(replace(FULL, watchdog=0)).lower().replace("watchdog_", "watchdog")


def test_only_a_low_port_gets_the_capability() -> None:
    assert "AddCapability=NET_BIND_SERVICE" in render(FULL)
    assert "AddCapability" not in render(replace(FULL, ports=(Port(443, 1024),)))


def test_without_certificate_credentials_and_documentation_their_lines_are_absent() -> None:
    text = render(replace(FULL, certificate="", credentials=(), credentials_version="", documentation=""))
    assert "/ffs/certs" not in text
    assert "LoadCredential" not in text
    assert "Documentation" not in text
    assert parse_header(text).certificate == "none"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("project", "Serbest"),
        ("project", "a\nb"),
        ("project", "-a"),
        ("project", ""),
        ("service", "www.x"),
        ("service", "../x"),
        ("service", "w" * 32),
        ("node", "node a"),
        ("node", "a\n[Service]"),
        ("release", -1),
        ("release", 10**9),
        ("release", True),
        ("image_id", ""),
        ("image_id", "sha256:" + "A" * 64),
        ("image_id", f"sha256:{A}\n"),
        ("certificate", "../.."),
        ("certificate", f"{B}:rw"),
        ("credentials_version", "a/b"),
        ("credentials", ("PATH",)),
        ("credentials", ("env.A B",)),
        ("credentials", ("env.A", "env.A")),
        ("supervisor", "x"),
        ("interpreter", "python3"),
        ("interpreter", "/usr/../bin/python3"),
        ("interpreter", "/bin/python3 -i"),
        ("operation", "a b"),
        ("documentation", "https://x/a b"),
        ("documentation", "https://x/%n"),
        ("environment", (("A B", "x"),)),
        ("environment", (("", "x"),)),
        ("environment", (("A", "1"), ("A", "2"))),
        ("environment", (("A", "x\0y"),)),
        ("environment", (("A", "x\x1by"),)),
        ("environment", (("A", "x\u2028y"),)),
        ("environment", (("A", "x\ud800y"),)),
        ("environment", (("A", "x" * 40_000),)),
        ("environment", (("NOTIFY_SOCKET", "/x"),)),
        ("environment", (("SECRET", "x"),)),
        ("ports", (Port(0, 80),)),
        ("ports", (Port(80, 65536),)),
        ("ports", (Port(80, 80, "sctp"),)),
        ("ports", (Port(80, 80), Port(80, 81))),
        ("watchdog", 1),
        ("watchdog", -1),
        ("start_timeout", 0),
        ("command", ("a", "")),
        ("command", (";",)),
        ("command", ("a\rb",)),
        ("command", tuple("x" * 201)),
        ("entrypoint", ("\x00",)),
    ],
)
def test_it_refuses_a_value_that_a_unit_cannot_hold_and_names_the_field(field: str, value: object) -> None:
    with pytest.raises(UnitError) as caught:
        render(replace(FULL, **{field: value}))
    assert caught.value.field == field


def test_it_refuses_to_run_nothing() -> None:
    with pytest.raises(UnitError, match="neither an entrypoint nor a command"):
        render(replace(FULL, entrypoint=(), command=()))


def test_it_refuses_credentials_of_no_version() -> None:
    with pytest.raises(UnitError, match="credentials_version"):
        render(replace(FULL, credentials_version=""))


def test_it_refuses_parts_of_a_release_where_there_is_none() -> None:
    with pytest.raises(UnitError, match="there is no release"):
        render(replace(FULL, release=0))


def test_the_message_about_a_setting_does_not_repeat_its_value() -> None:
    with pytest.raises(UnitError) as caught:
        render(replace(FULL, environment=(("A", "hunter2\0"),)))
    assert "hunter2" not in str(caught.value)


SETTINGS = st.text(st.characters(codec="utf-8"), max_size=60)


def unquoted(line: str) -> str:
    """What systemd makes of one word of an Exec line: quotes, C escapes, then % and $ halved (systemd.service(5))."""
    body = line[1:-1] if line.startswith('"') else line
    out, position = [], 0
    while position < len(body):
        pair = body[position : position + 2]
        known = {"\\\\": "\\", '\\"': '"', "\\n": "\n", "\\t": "\t", "%%": "%", "$$": "$"}
        assert pair[0] not in '\\"%$' or pair in known, f"{pair!r} would be read as something else"
        out.append(known.get(pair, pair[0]))
        position += 2 if pair in known else 1
    return "".join(out)


@given(SETTINGS)
def test_a_quoted_word_is_read_back_as_it_was(word: str) -> None:
    if word_problem(word) is None:
        quoted = quote_word(word)
        assert unquoted(quoted) == word
        assert quoted.startswith('"') or not set(quoted) & set(" \t;'#")


@given(SETTINGS)
def test_no_setting_adds_a_line_to_the_unit(value: str) -> None:
    bare = render(replace(FULL, environment=(("A", "x"),)))
    try:
        text = render(replace(FULL, environment=(("A", value),)))
    except UnitError:
        return
    strip = [line for line in text.split("\n") if not line.startswith(("Environment=A=", 'Environment="A='))]
    assert strip == [line for line in bare.split("\n") if line != "Environment=A=x"]
    assert len(assignments(text)) == len(assignments(bare))


def test_the_header_is_read_back() -> None:
    assert parse_header(render(FULL)) == Header("serbest", "www", 3, f"sha256:{A}", B, "v7", "op-12")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[X-FFS]\nProject=a\n",
        "not a unit",
        "[X-FFS\nProject=a",
        render(FULL) + "Release=4\n",
        render(FULL) + "Extra=4\n",
        render(FULL).replace("Release=3", "Release=three"),
        render(FULL).replace("Release=3", "Release=³"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_header(text)


def test_the_diff_shows_the_lines_that_differ() -> None:
    new = render(replace(FULL, release=4))
    lines = unit_diff(render(FULL), new)
    assert "-Release=3" in lines
    assert "+Release=4" in lines
    assert not [line for line in lines if line.startswith(("---", "+++"))]
    assert unit_diff(new, new) == ()
    assert all(line.startswith(("+", "@@")) for line in unit_diff("", new))


def test_unit_files_are_read_with_comments_and_continued_lines() -> None:
    found = assignments("# c\n; c\n[A]\r\nx = 1 \\\n  2\ny=\n[B]\nx=3")
    assert [(each.section, each.name, each.value) for each in found] == [
        ("A", "x", "1 2"),
        ("A", "y", ""),
        ("B", "x", "3"),
    ]


@pytest.mark.parametrize("text", ["[A] b\n", "[A\n", "[A]\nx\n", "x=1\n"])
def test_a_unit_file_that_would_be_misread_is_refused(text: str) -> None:
    with pytest.raises(UnitTextError):
        assignments(text)
