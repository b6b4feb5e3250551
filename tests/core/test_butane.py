"""Butane to Ignition: golden files, refusals with their lines, and Ignition's own validator."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.butane import BuildError, NotSupported, NotValid, NotYaml, translate
from deployments.core.ignition import data_url, data_url_bytes
from tests.support.requirements import lacking

GOLDEN = Path(__file__).parent / "golden"
HEAD = "variant: fcos\nversion: 1.4.0\n"


def refused(body: str, kind: type[BuildError] = NotValid) -> BuildError:
    with pytest.raises(kind) as caught:
        translate(HEAD + body)
    assert type(caught.value) is kind
    return caught.value


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bu")), ids=lambda path: path.stem)
def test_it_translates_the_golden_files_byte_for_byte(path: Path) -> None:
    assert translate(path.read_text()) + "\n" == path.with_suffix(".ign").read_text()


def ignition_validate() -> str:
    return shutil.which("ignition-validate") or lacking("ignition", "needs Debian's package ignition")


@pytest.mark.ignition
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bu")), ids=lambda path: path.stem)
def test_ignitions_own_validator_accepts_what_it_writes(path: Path) -> None:
    program = ignition_validate()
    written = translate(path.read_text())
    result = subprocess.run([program, "-"], input=written, capture_output=True, text=True, timeout=30, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.ignition
def test_ignitions_own_validator_would_notice() -> None:
    program = ignition_validate()
    bad = '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"not/absolute"}]}}'
    result = subprocess.run([program, "-"], input=bad, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode != 0


def test_texts_keep_their_source_and_other_values_do_not() -> None:
    text = (
        "passwd: {users: [{name: on, home_dir: 1.10, shell: 0644, gecos: 12:30, uid: 0o17, no_create_home: yes,\n"
        "  system: off, password_hash: ~, should_exist: true}]}\n"
    )
    assert json.loads(translate(HEAD + text))["passwd"]["users"] == [
        {
            "gecos": "12:30",
            "homeDir": "1.10",
            "name": "on",
            "noCreateHome": True,
            "shell": "0644",
            "shouldExist": True,
            "system": False,
            "uid": 15,
        }
    ]


@pytest.mark.parametrize(
    ("written", "meant"), [("0644", 420), ("0o644", 420), ("420", 420), ("0x1a4", 420), ("0", 0)]
)
def test_modes_are_read_as_go_reads_them(written: str, meant: int) -> None:
    body = f"storage: {{files: [{{path: /a, mode: {written}}}]}}"
    assert json.loads(translate(HEAD + body))["storage"]["files"][0]["mode"] == meant


def test_empty_parts_are_left_out_and_set_values_stay() -> None:
    body = 'storage: {files: [], links: ~}\npasswd: {users: [{name: x, shell: "", uid: 0, groups: []}]}\nsystemd: {}'
    assert translate(HEAD + body) == (
        '{"ignition":{"version":"3.3.0"},"passwd":{"users":[{"name":"x","shell":"","uid":0}]}}'
    )


def test_characters_are_escaped_as_go_escapes_them() -> None:
    body = r'passwd: {users: [{name: x, gecos: "<&> \u2028 \b \f \\b ü \x7f"}]}'
    assert r'"gecos":"\u003c\u0026\u003e \u2028 \u0008 \u000c \\b ü ' in translate(HEAD + body)


def test_a_resource_is_never_compressed_and_says_so() -> None:
    body = "storage: {files: [{path: /a, contents: {inline: " + "a" * 5000 + "}}]}"
    contents = json.loads(translate(HEAD + body))["storage"]["files"][0]["contents"]
    assert contents == {"compression": "", "source": "data:," + "a" * 5000}


def test_what_the_user_compressed_stays_so() -> None:
    body = "storage: {files: [{path: /a, contents: {inline: xy, compression: gzip}}]}"
    contents = json.loads(translate(HEAD + body))["storage"]["files"][0]["contents"]
    assert contents == {"compression": "gzip", "source": "data:,xy"}


@given(st.binary(max_size=300))
def test_a_data_url_holds_exactly_its_bytes_in_the_shorter_form(data: bytes) -> None:
    url = data_url(data)
    head, _, body = url.partition(",")
    assert (base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)) == data
    assert data_url_bytes(url) == data
    assert len(url) <= len("data:;base64,") + len(base64.b64encode(data))


@pytest.mark.parametrize(
    ("body", "line", "path", "message"),
    [
        ("storage: {files: [{path: a}]}", 3, "storage.files.0.path", "path not absolute"),
        ("storage: {files: [{path: /a/../b}]}", 3, "storage.files.0.path", "path is not fully simplified"),
        ("storage: {files: [{path: //a}]}", 3, "storage.files.0.path", "path is not fully simplified"),
        ("storage: {files: [{mode: 0644}]}", 3, "storage.files.0.path", "path not specified"),
        (
            "storage:\n  files: [{path: /a}]\n  links: [{path: /a, target: b}]",
            5,
            "storage.links.0.path",
            "duplicate entry",
        ),
        ("storage: {files: [{path: /a, mode: 010000}]}", 3, "storage.files.0.mode", "illegal file mode"),
        ("storage: {files: [{path: /a, mode: 644}]}", 3, "storage.files.0.mode", "leading zero"),
        ("storage: {files: [{path: /a, mode: 04755}]}", 3, "storage.files.0.mode", "setuid/setgid/sticky"),
        ("storage: {directories: [{path: /a, mode: 755}]}", 3, "storage.directories.0.mode", "leading zero"),
        ('storage: {files: [{path: /a, mode: "0644"}]}', 3, "storage.files.0.mode", "expected a whole number"),
        (
            "storage: {files: [{path: /a, overwrite: true}]}",
            3,
            "storage.files.0.overwrite",
            "overwrite must be false",
        ),
        ("storage: {files: [{path: /a, user: {id: 1, name: x}}]}", 3, "storage.files.0.user", "both id and name"),
        ("storage: {links: [{path: /a}]}", 3, "storage.links.0.target", "link target is required"),
        (
            "storage: {directories: [{path: /b}], links: [{path: /a, target: /b, hard: true}]}",
            3,
            "storage.links.0",
            "hard link target is a directory",
        ),
        ("storage: {links: [{path: /a, target: /b}], files: [{path: /a/c}]}", 3, "storage.files.0", "includes link"),
        (
            "storage: {files: [{path: /etc/systemd/system/a.service}]}\n"
            "systemd: {units: [{name: a.service, contents: '[Unit]'}]}",
            3,
            "storage.files.0.path",
            "path conflicts with systemd unit or dropin",
        ),
        (
            "storage: {files: [{path: /a, contents: {source: 'ftp://x'}}]}",
            3,
            "storage.files.0.contents.source",
            "scheme",
        ),
        (
            "storage: {files: [{path: /a, contents: {inline: x, source: 'data:,'}}]}",
            3,
            "storage.files.0.contents.source",
            "only one of the following can be set: inline, local, source",
        ),
        (
            "storage: {files: [{path: /a, contents: {inline: x, compression: xz}}]}",
            3,
            "storage.files.0.contents.compression",
            "invalid compression method",
        ),
        (
            "storage: {files: [{path: /a, contents: {verification: {hash: sha512-aa}}}]}",
            3,
            "storage.files.0.contents.verification.hash",
            "source must be specified",
        ),
        (
            "storage: {files: [{path: /a, contents: {inline: x, verification: {hash: sha512-aa}}}]}",
            3,
            "storage.files.0.contents.verification.hash",
            "incorrect size",
        ),
        (
            "storage: {files: [{path: /a, contents: {inline: x, verification: {hash: md5-aa}}}]}",
            3,
            "storage.files.0.contents.verification.hash",
            "unrecognized hash function",
        ),
        (
            "storage: {files: [{path: /a, contents: {inline: x, http_headers: [{name: a, value: b}]}}]}",
            3,
            "storage.files.0.contents.http_headers",
            "cannot use HTTP headers",
        ),
        ("systemd: {units: [{name: a}]}", 3, "systemd.units.0.name", "invalid systemd unit extension"),
        ("systemd: {units: [{name: ../a.service}]}", 3, "systemd.units.0.name", "invalid systemd unit extension"),
        (
            "systemd: {units: [{name: a.service, dropins: [{name: x}]}]}",
            3,
            "systemd.units.0.dropins.0.name",
            "invalid systemd drop-in extension",
        ),
        (
            'systemd: {units: [{name: a.service, enabled: true, contents: "[Unit]\\nA=b"}]}',
            3,
            "systemd.units.0.contents",
            "has no install section",
        ),
        (
            'systemd: {units: [{name: a.service, contents: "[Unit]\\nA"}]}',
            3,
            "systemd.units.0.contents",
            "unexpected newline encountered",
        ),
        ("passwd: {users: [{name: a}, {name: a}]}", 3, "passwd.users.1.name", "duplicate entry defined"),
        (
            "passwd: {users: [{name: a, ssh_authorized_keys: [k, k]}]}",
            3,
            "passwd.users.0.ssh_authorized_keys",
            "duplicate entry defined",
        ),
        ("passwd: {users: [{uid: 1}]}", 3, "passwd.users.0.name", "name is required"),
        ("passwd:\n  users:\n    - nme: a", 5, "passwd.users.0.nme", "unused key nme"),
        ("passwd: {users: x}", 3, "passwd.users", "expected a list"),
        ("passwd: []", 3, "passwd", "expected a mapping"),
        ("passwd: {users: [{name: a, uid: 1.5}]}", 3, "passwd.users.0.uid", "expected a whole number"),
        ("passwd: {users: [{name: a, system: 1}]}", 3, "passwd.users.0.system", "expected true or false"),
        ("passwd: {users: [{name: [a]}]}", 3, "passwd.users.0.name", "expected text"),
        ('passwd: {users: [{name: "\\ud800"}]}', 3, "passwd.users.0.name", "half a character"),
        ("passwd: {}\npasswd: {}", 4, "", 'mapping key "passwd" already defined at line 3'),
        ("kernel_arguments: {should_exist: [a], should_not_exist: [a]}", 3, "kernel_arguments", "duplicate entry"),
        ("ignition: {config: {merge: [{}]}}", 3, "ignition.config.merge.0", "source is required"),
        ("ignition: {proxy: {https_proxy: 'http://x'}}", 3, "ignition.proxy.https_proxy", "insecure plaintext"),
        ("ignition: {proxy: {http_proxy: 'socks://x'}}", 3, "ignition.proxy.http_proxy", "proxies must be http(s)"),
    ],
)
def test_it_refuses_what_ignition_would(body: str, line: int, path: str, message: str) -> None:
    problems = refused(body).problems
    assert any(message in problem.message and (problem.line, problem.path) == (line, path) for problem in problems), (
        problems
    )


@pytest.mark.parametrize(
    "body",
    [
        "storage: {disks: [{device: /dev/sda}]}",
        "storage: {filesystems: [{device: /dev/sda}]}",
        "storage: {trees: [{local: x}]}",
        "storage: {luks: [{name: x}]}",
        "storage: {raid: [{name: x}]}",
        "storage: {files: [{path: /a, contents: {local: x}}]}",
        "boot_device: {luks: {tpm2: true}}",
        "ignition: {config: {merge: [{inline: '{}'}]}}",
        "passwd: {<<: {users: []}}",
        "passwd: {users: [{name: x, gecos: !!binary eA==}]}",
    ],
)
def test_it_refuses_by_name_what_it_does_not_build(body: str) -> None:
    assert "not supported yet" in refused(body, NotSupported).message


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", NotYaml, "empty"),
        ("# only a comment\n", NotYaml, "empty"),
        ("a: [", NotYaml, "flow"),
        ("a: 1\n---\nb: 2\n", NotYaml, "single document"),
        ("a: *b\n", NotYaml, "alias"),
        ("a: \x00\n", NotYaml, "character"),
        ("[" * 100_000, NotYaml, "nested too deeply"),
        ("x" * 4_000_001, NotYaml, "longer"),
        ("- a\n", NotValid, "expected a mapping"),
        ("~\n", NotValid, "no machine"),
        ("version: 1.4.0\n", NotValid, "variant"),
        ("variant: fcos\n", NotValid, "semver"),
        ("variant: fcos\nversion: latest\n", NotValid, "semver"),
        ("variant: fcos\nversion: 1.7.0\n", NotSupported, "variant fcos with version 1.7.0"),
        ("variant: flatcar\nversion: 1.4.0\n", NotSupported, "variant flatcar with version 1.4.0"),
    ],
)
def test_it_refuses_what_is_no_machine_at_all(text: str, kind: type[BuildError], message: str) -> None:
    with pytest.raises(kind, match=message):
        translate(text)


def test_it_names_every_problem_at_once_in_the_order_of_the_text() -> None:
    error = refused("storage:\n  files:\n    - path: a\n    - path: /b\n      mode: 644\nfoo: 1\n")
    assert [problem.line for problem in error.problems] == [5, 7, 8]
    assert str(error).startswith("line 5, storage.files.0.path: path not absolute\n")


def test_aliases_cannot_multiply_beyond_the_limit() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    with pytest.raises(BuildError):
        translate(HEAD + bomb)
    keys = "passwd: {users: [&u {name: x, ssh_authorized_keys: &k [" + "k," * 2000 + "]}" + ", *u" * 60 + "]}"
    with pytest.raises(BuildError, match="values"):
        translate(HEAD + keys)


def test_an_alias_is_used_like_its_anchor() -> None:
    body = "storage: {files: [{path: /a, user: &u {name: x}}, {path: /b, user: *u}]}"
    files = json.loads(translate(HEAD + body))["storage"]["files"]
    assert [file["user"] for file in files] == [{"name": "x"}, {"name": "x"}]


@given(st.text(max_size=200))
def test_no_text_makes_it_do_anything_but_refuse(text: str) -> None:
    with pytest.raises(BuildError):
        translate(text)
