"""What is signed here is what ssh-keygen takes: the node asks that program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ffsweb.remote import keys, signatures
from ffsweb.sealed import Secret

MESSAGE = b"#!/usr/bin/bash\n" * 20_000


def verified(
    directory: Path, signature: str, signer: str, *, message: bytes = MESSAGE, namespace: str = "ours"
) -> bool:
    (directory / "signers").write_text(f'someone namespaces="ours" {signer}\n')
    (directory / "signature").write_text(signature)
    argv = ("ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "someone", "-n", namespace, "-s", "signature")
    done = subprocess.run(argv, cwd=directory, input=message, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen here")
def test_ssh_keygen_takes_the_signature_of_this_key_message_and_namespace_alone(tmp_path: Path) -> None:
    private, public = keys.generate()
    signature = signatures.sign(private, MESSAGE, namespace="ours")
    assert verified(tmp_path, signature, public)
    assert not verified(tmp_path, signature, keys.generate()[1])
    assert not verified(tmp_path, signature, public, message=MESSAGE + b"#")
    assert not verified(tmp_path, signatures.sign(private, MESSAGE, namespace="other"), public)


def test_what_is_no_key_signs_nothing() -> None:
    with pytest.raises(ValueError, match=r"."):
        signatures.sign(Secret("no key"), MESSAGE, namespace="ours")
