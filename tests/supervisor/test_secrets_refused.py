"""A secret that does not fit is one clear line and an exit code of its own; the program is not started without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.supervisor.sealed import container as container
from tests.supervisor.sealed import memory as memory
from tests.supervisor.sealed import openssl
from tests.supervisor.sealed import pair as pair


def wrong_password(container: Path, pair: Path) -> None:
    (container / "run" / "cert_pass").write_text("wrong")


def no_password(container: Path, pair: Path) -> None:
    (container / "run" / "cert_pass").unlink()


def empty_password(container: Path, pair: Path) -> None:
    (container / "run" / "cert_pass").write_text("")


def no_key(container: Path, pair: Path) -> None:
    (container / "certs" / "server.key.enc").unlink()


def no_certificate(container: Path, pair: Path) -> None:
    (container / "certs" / "server.crt").unlink()


def another_certificate(container: Path, pair: Path) -> None:
    shutil.copy(pair / "stranger.crt", container / "certs" / "server.crt")


def a_broken_certificate(container: Path, pair: Path) -> None:
    (container / "certs" / "server.crt").write_text("no certificate")


def a_truncated_key(container: Path, pair: Path) -> None:
    sealed = container / "certs" / "server.key.enc"
    sealed.write_bytes(sealed.read_bytes()[:-5])


def a_spoilt_pkcs8_key(container: Path, pair: Path) -> None:
    (container / "certs" / "server.key.enc").write_bytes((pair / "server.der").read_bytes()[:-20])


def no_key_at_all(container: Path, pair: Path) -> None:
    (container / "certs" / "server.key.enc").write_text("no key")


def an_empty_key(container: Path, pair: Path) -> None:
    (container / "certs" / "server.key.enc").write_text("")


def a_bad_name(container: Path, pair: Path) -> None:
    (container / "run" / "env.NOT-A-NAME").write_text("x")


def only_the_certificate(container: Path, pair: Path) -> None:
    no_password(container, pair)
    no_key(container, pair)


def a_password_too_long(container: Path, pair: Path) -> None:
    (container / "run" / "cert_pass").write_text("x" * 1024)


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (wrong_password, 102, "cert_pass does not open"),
        (empty_password, 102, "cert_pass is empty"),
        (a_truncated_key, 102, "cert_pass does not open"),
        (a_spoilt_pkcs8_key, 102, "cert_pass does not open"),
        (no_key_at_all, 101, "is no encrypted key"),
        (an_empty_key, 101, "is no encrypted key"),
        (no_password, 101, "cert_pass, which is missing"),
        (no_key, 101, "server.key.enc is missing"),
        (only_the_certificate, 101, "server.crt is there, but"),
        (a_password_too_long, 102, "over 1023 bytes"),
        (no_certificate, 101, "server.crt is missing"),
        (a_bad_name, 101, "env.NOT-A-NAME cannot be an environment variable"),
        (another_certificate, 103, "does not fit"),
        (a_broken_certificate, 103, "no certificate that openssl can read"),
    ],
)
def test_what_does_not_fit_is_one_clear_line_and_a_code(supervise, container, pair, memory, spoil, code, words):
    spoil(container, pair)
    running = supervise("--secrets", str(memory), command=("echo", "started anyway"))
    assert running.process.wait(30) == code
    [line] = running.text().splitlines()
    assert line.startswith("supervisor: not started: ")
    assert words in line
    assert list(memory.iterdir()) == []


def test_a_pass_phrase_in_the_environment_without_a_key_is_not_passed_over(supervise, container, pair):
    only_the_certificate(container, pair)
    no_certificate(container, pair)
    running = supervise(command=("echo", "started anyway"), CERT_PASS="secret")
    assert running.process.wait(30) == 101
    [line] = running.text().splitlines()
    assert line.startswith("supervisor: not started: CERT_PASS is there, but ")
    assert line.endswith("server.key.enc is missing")


def test_an_image_that_uses_that_name_for_itself_and_has_no_certificates_is_left_alone(supervise):
    running = supervise(command=("sh", "-c", "echo its own: $CERT_PASS"), CERT_PASS="own")
    assert running.process.wait(30) == 0
    assert "its own: own" in running.text()


def test_a_certificate_with_a_plain_key_beside_it_is_the_images_own(supervise, container, pair):
    only_the_certificate(container, pair)
    (container / "certs" / "server.key").write_text("plain")
    running = supervise(command=("true",))
    assert running.process.wait(30) == 0


def test_the_longest_pass_phrase_that_openssl_reads_opens_the_key(supervise, container, memory, pair):
    longest = "x" * 1023
    (container / "run" / "cert_pass").write_text(longest + "\n")
    openssl(
        *("enc", "-aes-256-cbc", "-pbkdf2", "-in", f"{pair}/server.key", "-pass", f"pass:{longest}"),
        *("-out", f"{container}/certs/server.key.enc"),
    )
    running = supervise("--secrets", str(memory), command=("true",))
    assert running.process.wait(30) == 0
