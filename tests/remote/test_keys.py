"""SSH keys: what ``ssh-keygen`` makes is read, what it would not is refused."""

from __future__ import annotations

import base64
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffsweb.remote.fake import HOST_KEY
from ffsweb.remote.keys import BadPublicKey, PublicKey, generate, parse_public_key

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen on this machine")


def ssh_keygen(*argv, stdin=None) -> str:
    return subprocess.run(
        ["ssh-keygen", *map(str, argv)], check=True, capture_output=True, text=True, input=stdin
    ).stdout


@pytest.fixture(
    scope="module", params=[("ed25519",), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048")]
)
def made(request, tmp_path_factory):
    kind, *bits = request.param
    file = tmp_path_factory.mktemp("keys") / "key"
    ssh_keygen("-q", "-t", kind, *(["-b", *bits] if bits else []), "-N", "", "-C", "a comment", "-f", file)
    return file.with_suffix(".pub")


@needs_ssh_keygen
def test_keys_of_ssh_keygen_are_read_with_its_fingerprint(made):
    line = made.read_text()
    key = parse_public_key(line)
    assert key.comment == "a comment"
    assert f"{key.line} {key.comment}\n" == line
    assert key.fingerprint == ssh_keygen("-l", "-f", made).split()[1]


@needs_ssh_keygen
def test_a_generated_pair_is_one_that_ssh_keygen_accepts(tmp_path):
    private, public = generate("node-a")
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(private.reveal())
    assert ssh_keygen("-y", "-f", file).split()[:2] == public.split()[:2]
    assert public.endswith(" node-a")
    assert ssh_keygen("-l", "-f", "-", stdin=public).split()[1] == parse_public_key(public).fingerprint
    assert private.reveal_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")


def test_every_generated_pair_is_another():
    assert len({generate()[1] for _ in range(20)}) == 20


@pytest.mark.parametrize("comment", ["a\nssh-ed25519 AAAA", "a\0", "x" * 300, "\x1b[31m"])
def test_a_comment_cannot_add_a_line(comment):
    with pytest.raises(ValueError, match="comment"):
        generate(comment)


@needs_ssh_keygen
@pytest.mark.parametrize(("bits", "fits"), [("1024", False), ("2048", True)])
def test_a_weak_rsa_key_is_refused(tmp_path, bits, fits):
    ssh_keygen("-q", "-t", "rsa", "-b", bits, "-N", "", "-f", tmp_path / "key")
    line = (tmp_path / "key.pub").read_text()
    if fits:
        assert parse_public_key(line).type == "ssh-rsa"
    else:
        with pytest.raises(BadPublicKey, match="1024 bits"):
            parse_public_key(line)


def wire(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def as_line(kind: str, blob: bytes) -> str:
    return f"{kind} {base64.b64encode(blob).decode()}"


def test_keys_on_hardware_tokens_are_for_operators_only():
    kind = "sk-ssh-ed25519@openssh.com"
    line = as_line(kind, wire(kind.encode(), b"p" * 32, b"ssh:"))
    assert parse_public_key(line).type == kind
    with pytest.raises(BadPublicKey, match="hardware token"):
        parse_public_key(line, security_keys=False)
    curve = "sk-ecdsa-sha2-nistp256@openssh.com"
    assert parse_public_key(as_line(curve, wire(curve.encode(), b"nistp256", b"p" * 65, b"ssh:"))).type == curve
    for bad in (
        wire(kind.encode(), b"p" * 31, b"ssh:"),
        wire(kind.encode(), b"p" * 32),
        wire(b"ssh-ed25519", b"p" * 32, b"ssh:"),
    ):
        with pytest.raises(BadPublicKey, match="damaged"):
            parse_public_key(as_line(kind, bad))


BLOB = wire(b"ssh-ed25519", bytes(range(32)))
GOOD = as_line("ssh-ed25519", BLOB)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "type"),
        ("   ", "type"),
        ("ssh-ed25519", "missing"),
        (f'command="sh" {GOOD}', "Options"),
        (f"no-pty {GOOD}", "Options"),
        (f"restrict,{GOOD}", "Options"),
        (f"{GOOD}\n{GOOD}", "one line"),
        (f"{GOOD} a\x00b", "control"),
        (f"{GOOD} a\x1b[31m", "control"),
        (f"{GOOD} a\u202eb", "control"),
        (f"{GOOD} a\rb", "control"),
        (f"{GOOD} {'x' * 300}", "comment"),
        (GOOD + "A" * 20000, "too long"),
        (GOOD[:-4], "damaged"),
        (GOOD[:-1] + "!", "damaged"),
        (GOOD.replace("ssh-ed25519", "ssh-rsa"), "damaged"),
        (as_line("ssh-ed25519", BLOB + b"x"), "damaged"),
        (as_line("ssh-ed25519", b""), "missing"),
        (as_line("ssh-ed25519", b"\xff\xff\xff\xff"), "damaged"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAP", "DSA"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "private key"),
    ],
)
def test_what_is_no_plain_public_key_is_refused_with_the_reason(line, why):
    with pytest.raises(BadPublicKey, match=why):
        parse_public_key(line)


def test_the_refusal_of_a_private_key_does_not_quote_it():
    private, _ = generate()
    with pytest.raises(BadPublicKey) as caught:
        parse_public_key(private.reveal_text())
    assert private.reveal_text().splitlines()[1] not in str(caught.value)


def test_the_same_key_is_the_same_whatever_its_comment():
    assert parse_public_key(f" {GOOD}\ta name \n").blob == parse_public_key(GOOD).blob
    assert parse_public_key(f"{GOOD}\ta name").comment == "a name"


def test_the_fakes_host_key_is_a_key():
    assert parse_public_key(HOST_KEY, security_keys=False).line == HOST_KEY


@given(st.text())
def test_text_gives_a_key_or_a_refusal_and_nothing_else(text):
    try:
        assert isinstance(parse_public_key(text), PublicKey)
    except BadPublicKey:
        pass


@given(
    st.binary(max_size=200),
    st.sampled_from(["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"]),
)
def test_any_blob_gives_a_key_or_a_refusal_and_nothing_else(blob, kind):
    try:
        parse_public_key(as_line(kind, wire(kind.encode()) + blob))
    except BadPublicKey:
        pass
