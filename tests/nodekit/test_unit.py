"""Units, line by line: what the dashboard writes is taken, anything else is refused with its line's number."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands
from deployments.core.quadlet import Mode, Port, UnitSpec, placeholder, render

if TYPE_CHECKING:
    from tests.nodekit.conftest import Program, Said

ID = "sha256:" + "a1" * 32
CERTIFICATE = "b2" * 32
SPEC = UnitSpec(
    project="serbest",
    service="www",
    node="node-a",
    release=3,
    image_id=ID,
    ports=(Port(443, 8443), Port(53, 53, "udp")),
    environment=(
        ("PLAIN", "value"),
        ("HARD", "a \"quoted\" \\ back\\\\slash $HOME ${X} %h %% `id` $(id) ; | & \n line\ttab ü 漢字 'single'"),
        ("SEMICOLON", ";"),
        ("EMPTY", ""),
    ),
    certificate=CERTIFICATE,
    credentials_version="v7",
    credentials=("cert_pass", "env.SECRET_KEY"),
    supervisor="c3" * 32,
    interpreter="/usr/bin/python3",
    entrypoint=("/usr/bin/app", "--name", "two words"),
    command=("serve", "$PORT", "100%", "a;b", '"', "\\"),
    operation="op-17",
    documentation="https://example.org/a?b=c#d",
)
UNIT = render(SPEC)
EXEC = "Exec=-I -S /ffs/supervisor.py --sd-notify --start-timeout 120 -- "


def check(program: Program, text: str | bytes) -> Said:
    data = text.encode() if isinstance(text, str) else text
    return program.command(node_commands.check_unit("www"), data)


def refused(program: Program, text: str | bytes) -> str:
    said = check(program, text)
    assert said.code == "bad-unit", (text, said)
    return said.text


def line_after(section: str, line: str) -> str:
    """The unit with a line more at the beginning of a section."""
    assert f"[{section}]\n" in UNIT
    return UNIT.replace(f"[{section}]\n", f"[{section}]\n{line}\n")


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        replace(
            SPEC, environment=(), ports=(), certificate="", credentials=(), credentials_version="", documentation=""
        ),
        replace(SPEC, mode=Mode.OWN),
        replace(SPEC, mode=Mode.HEALTH),
        replace(SPEC, mode=Mode.NONE, watchdog=0),
        replace(SPEC, certificate=CERTIFICATE + "-2"),
        replace(SPEC, start_timeout=86400),
        replace(SPEC, start_timeout=1, probe="tcp:[::1]:5432"),
        replace(SPEC, probe="http://127.0.0.1:8080/health?deep=$1&a=%20;"),
        replace(SPEC, probe="https://app.example/", entrypoint=("/bin/sh", "-c"), command=("exec app --probe x",)),
    ],
)
def test_it_takes_every_unit_that_the_dashboard_writes(program: Program, spec: UnitSpec) -> None:
    said = check(program, render(spec))
    assert said.code == "ok", said


def test_a_placeholder_cannot_be_switched_to(program: Program) -> None:
    refused(program, placeholder(project="serbest", service="www", node="node-a", ports=()))


@pytest.mark.parametrize(
    "section_and_line",
    """
Unit|Requires=evil.service
Unit|OnFailure=evil.service
Unit|ConditionPathExists=/etc/shadow
Unit|Description=x %H
Container|PodmanArgs=--privileged
Container|GlobalArgs=--root=/
Container|Network=host
Container|UserNS=host
Container|PID=host
Container|IPC=host
Container|AddDevice=/dev/sda
Container|SecurityLabelDisable=true
Container|SecurityLabelType=spc_t
Container|SeccompProfile=unconfined
Container|Unmask=ALL
Container|Annotation=run.oci.keep_original_groups=1
Container|Secret=x
Container|EnvironmentFile=/etc/shadow
Container|EnvironmentHost=true
Container|Rootfs=/
Container|RunInit=true
Container|HealthCmd=sh -c id
Container|HostName=x
Container|Sysctl=net.ipv4.ip_forward=1
Container|AddCapability=SYS_ADMIN
Container|AddCapability=NET_BIND_SERVICE SYS_ADMIN
Container|Volume=/:/ffs/data:rw,z
Container|Volume=/etc:/ffs/files:ro,z
Container|Volume=/var/lib/ffs/other/data:/ffs/data:rw,z
Container|Volume=/var/lib/ffs/www/../other/data:/ffs/data:rw,z
Container|Volume=/var/lib/ffs/www:/ffs/data:rw,z
Container|Volume=/var/lib/ffs/www/releases/3/..:/ffs/files:ro,z
Container|Volume=/var/lib/ffs/www/releases/3:/ffs/files:rw,z
Container|Volume=/var/lib/ffs/www/releases/3:/etc:ro,z
Container|Volume=/var/lib/ffs/www/credentials/v7:/ffs/data:ro,z
Container|Volume=/var/lib/ffs/www/data:/ffs/data:rw,z,exec
Container|Volume=/var/lib/ffs/www/data:/ffs/data:rw,z
Container|Volume=/var/lib/ffs/www/releases/4:/ffs/files:ro,z
Container|Volume=/run/ffs/other:/run/ffs:ro,z
Container|Volume=/run:/run/ffs:ro,z
Container|Volume=/var/lib/ffs-node:/ffs/data:rw,z
Container|Volume=
Container|Mount=type=bind,source=/,destination=/host
Container|Mount=type=tmpfs,destination=/etc,tmpfs-size=1048576,tmpfs-mode=0700,U=true,notmpcopyup
Container|PublishPort=0.0.0.0:443:8443/tcp
Container|PublishPort=443-500:443-500/tcp
Container|PublishPort=70000:8443/tcp
Container|PublishPort=443:70000/tcp
Container|PublishPort=443:8443/sctp
Container|PublishPort=443:8443/tcp --privileged
Container|Environment=X=y --privileged
Container|Environment=X="y" --privileged
Container|Environment="X=y" "--privileged"
Container|Environment="X=y"z
Container|Environment="X=y\\"
Container|Environment="X=\\x3b"
Container|Environment=X=$HOME
Container|Environment="X=${HOME}"
Container|Environment=X=%h
Container|Environment=X=y;
Container|Environment=;
Container|Environment=X='y'
Container|Environment=--privileged
Container|Environment=
Service|ExecStart=/bin/sh
Service|ExecStartPre=/bin/sh
Service|ExecStartPre=-/usr/local/bin/ffs-node handover www
Service|ExecStartPost=/bin/sh
Service|ExecStopPost=/bin/sh
Service|ExecReload=/bin/sh
Service|Type=oneshot
Service|User=root
Service|Environment=LD_PRELOAD=/x
Service|EnvironmentFile=/x
Service|RootDirectory=/x
Service|LoadCredential=x:/etc/shadow
Service|SetCredential=x:y
Service|LoadCredentialEncrypted=env.X:/etc/shadow
Service|LoadCredentialEncrypted=env.X:/var/lib/ffs/other/credentials/v7/env.X.cred
Service|LoadCredentialEncrypted=env.X:/var/lib/ffs/www/credentials/../../other/env.X.cred
Service|LoadCredentialEncrypted=env.X:/var/lib/ffs/www/credentials/v7/env.Y.cred
Service|LoadCredentialEncrypted=env.X:/var/lib/ffs/www/credentials/v8/env.X.cred
Service|LoadCredentialEncrypted=other:/var/lib/ffs/www/credentials/v7/other.cred
Service|LoadCredentialEncrypted=env.X
Service|PIDFile=/x
Service|BindPaths=/:/x
Service|AmbientCapabilities=CAP_SYS_ADMIN
Install|Also=evil.service
Install|Alias=sshd.service
Install|RequiredBy=sshd.service
X-FFS|Extra=1
""".strip().splitlines(),
)
def test_no_other_line_is_taken(program: Program, section_and_line: str) -> None:
    section, _, line = section_and_line.partition("|")
    refused(program, line_after(section, line))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ContainerName=ffs-www", "ContainerName=ffs-other"),
        ("ContainerName=ffs-www", "ContainerName=systemd"),
        ("Image=ffs.internal/", "Image=docker.io/"),
        (f"Image=ffs.internal/serbest:sha256-{'a1' * 32}", "Image=ffs.internal/serbest:latest"),
        (f"Image=ffs.internal/serbest:sha256-{'a1' * 32}", f"Image=ffs.internal/serbest:sha256-{'d4' * 32}"),
        ("Pull=never", "Pull=always"),
        ("User=1600", "User=0"),
        ("User=1600", "User=root"),
        ("Group=1600", "Group=0"),
        ("ReadOnly=true", "ReadOnly=false"),
        ("DropCapability=all", "DropCapability=MKNOD"),
        ("NoNewPrivileges=true", "NoNewPrivileges=false"),
        ("LogDriver=journald", "LogDriver=k8s-file"),
        ("Entrypoint=/usr/bin/python3", "Entrypoint=sh -c"),
        (EXEC, "Exec=/bin/sh -c "),
        (EXEC, f"{EXEC}; /bin/sh -c id "),
        (EXEC, f'{EXEC}";" /bin/sh -c id '),
        (EXEC, f'{EXEC}"" '),
        (EXEC, f"{EXEC} "),
        (EXEC, f"{EXEC}$X "),
        # In the environment of the image, and with what it has put among Python's packages.
        ("Exec=-I -S ", "Exec="),
        ("Exec=-I -S ", "Exec=-I "),
        ("Exec=-I -S ", "Exec=-I -S -c id "),
        (" --start-timeout 120", ""),
        (" --start-timeout 120", " --start-timeout 0"),
        (" --start-timeout 120", " --start-timeout 999999"),
        (" --start-timeout 120", " --start-timeout 120 --status /ffs/data/x"),
        (" --start-timeout 120", " --start-timeout 120 --probe"),
        (" --start-timeout 120", " --start-timeout 120 --probe $X"),
        (" --start-timeout 120", " --start-timeout 120 --probe %h"),
        (" --start-timeout 120", " --start-timeout 120 --probe a --probe b"),
        (" --start-timeout 120", " --start-timeout 120 --probe ;"),
        ("ExecStartPre=/usr/local/bin/ffs-node handover www", "ExecStartPre=/usr/local/bin/ffs-node handover other"),
        ("RuntimeDirectory=ffs/www", "RuntimeDirectory=ffs"),
        ("RuntimeDirectory=ffs/www", "RuntimeDirectory=ffs/other"),
        ("RuntimeDirectoryMode=0755", "RuntimeDirectoryMode=0777"),
        ("LimitCORE=0", "LimitCORE=infinity"),
        ("WatchdogSignal=SIGTERM", "WatchdogSignal=SIGKILL"),
        ("Restart=on-failure", "Restart=no"),
        ("StartLimitIntervalSec=0", "StartLimitIntervalSec=5"),
        ("ffs-restore.service", "other.service"),
        ("WantedBy=multi-user.target", "WantedBy=sysinit.target"),
        ("[Service]", "[Socket]"),
        ("[Install]", "[Service]"),
        ("[X-FFS]", "[X-Other]"),
        ("[Unit]", " [Unit]"),
        ("Service=www", "Service=other"),
        ("Release=3", "Release=4"),
        ("Release=3", "Release=0"),
        (f"ImageId={ID}", "ImageId=none"),
        (f"Certificate={CERTIFICATE}", "Certificate=none"),
        ("Credentials=v7", "Credentials=none"),
        ("Operation=op-17", "Operation=none;id"),
        ("User=1600", "User = 1600"),
        ("User=1600", "User=1600 "),
        ("User=1600", "User=1600\\"),
        ("User=1600", "User=1600\r"),
        ("User=1600", "User=1600\x00"),
        ("User=1600", "User=1600\nUser=1600"),
        ("User=1600", "user=1600"),
        ("User=1600", "; a comment of systemd"),
        ("# ffs-www", "# ffs-www \\\n#"),
        ("Description=", "Description=\x1b[31m"),
        ("Description=", "Description=\u2028"),
        ("Description=", "Description=\u0085"),
        ("Environment=PLAIN", "Environment=PL-AIN"),
    ],
)
def test_no_other_value_is_taken(program: Program, old: str, new: str) -> None:
    assert UNIT.count(old) >= 1
    refused(program, UNIT.replace(old, new, 1))


NEEDED = (
    *(
        "ConditionPathExists",
        "After",
        "ContainerName",
        "Image",
        "Pull",
        "User",
        "Group",
        "ReadOnly",
        "DropCapability",
    ),
    *("NoNewPrivileges", "Project", "Service", "Release", "ImageId", "Certificate", "Credentials", "Operation"),
    *("RuntimeDirectory", "RuntimeDirectoryMode", "ExecStartPre", "Entrypoint", "Exec"),
)


@pytest.mark.parametrize("name", NEEDED)
def test_what_protects_the_node_cannot_be_left_out(program: Program, name: str) -> None:
    without = re.sub(rf"(?m)^{name}=.*\n", "", UNIT)
    assert without != UNIT
    refused(program, without)


def test_the_first_refused_line_is_named_by_its_number(program: Program) -> None:
    number = UNIT.splitlines().index("User=1600") + 1
    assert refused(program, UNIT.replace("User=1600", "User=0")).startswith(f"Line {number} of the unit")


def test_size_and_encoding_are_bounded(program: Program) -> None:
    refused(program, UNIT.replace("Description=", "Description=" + "x" * 33_000))
    refused(program, UNIT.encode().replace(b"Description=", b"Description=\xff\xfe"))
    assert check(program, UNIT + "# x\n" * 70_000).code == "bad-input"
    assert check(program, b"").code == "bad-unit"
    assert check(program, b"\0" * 1000).code == "bad-unit"


def test_a_truncated_unit_is_refused_wherever_it_was_cut(program: Program) -> None:
    data = UNIT.encode()
    for end in range(0, len(data) - len("Operation=op-17\n") - 1, 97):
        refused(program, data[:end])
