"""What a lab node is made of: Debian's packages, and the places where Fedora CoreOS differs in a way that our
code would notice.

Pure data: the hash of what is written here (and in base.py) is the name of the cached base, so a change
builds a new one.
"""

from __future__ import annotations

SUITE = "trixie"
"""systemd 257, OpenSSH 10 and podman 5.4: the generation that Fedora CoreOS ships."""

PACKAGES = (
    # The system itself. libpam-systemd: an SSH log-in is a session in a scope of its own, as on FCOS.
    *("systemd", "systemd-sysv", "dbus", "udev", "libpam-systemd", "libnss-myhostname", "passwd", "sudo"),
    *("openssh-server", "iproute2", "nftables", "procps", "ca-certificates"),
    # What runs containers. Debian's podman only recommends its network programs.
    *("podman", "crun", "skopeo", "netavark", "aardvark-dns"),
    # Programs that FCOS has and ffs-node may use. Python and Perl modules are not among them.
    *("curl", "gawk", "jq", "openssl", "rsync", "zstd"),
)

LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
"""Paths that are never unpacked: a fifth of the tree, and nothing that a test looks at."""

MOVED = {
    "home": "var/home",
    "root": "var/roothome",
    "opt": "var/opt",
    "srv": "var/srv",
    "mnt": "var/mnt",
    "usr/local": "var/usrlocal",
}
"""Directories that are links into /var, so that /usr and / can be read-only and still take
/usr/local/bin/ffs-node."""

FILES = {
    # Ignition writes keys to ~/.ssh/authorized_keys.d/ignition, which stock sshd does not read. FCOS's own
    # file names.
    "etc/ssh/sshd_config.d/91-ignition-authorized-keys-file.conf": (
        "AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/*\n"
    ),
    "etc/ssh/sshd_config.d/40-disable-passwords.conf": "PasswordAuthentication no\n",
    "etc/sudoers.d/coreos-sudo-group": "%sudo ALL=(ALL) NOPASSWD: ALL\n",
    # Debian enables every unit that it installs; FCOS enables none that its presets do not name. Without this
    # line a machine file that forgot `enabled: true` would work here and fail there.
    "usr/lib/systemd/system-preset/99-default-disable.preset": "disable *\n",
    "usr/lib/systemd/system-preset/80-lab.preset": "enable sshd.service\n",
    # Fedora makes each kind of host key that is not there yet, on every boot; Debian makes all or none on the
    # first.
    "usr/lib/systemd/system/sshd-keygen@.service": """\
[Unit]
Description=OpenSSH %i host key
ConditionFileNotEmpty=!/etc/ssh/ssh_host_%i_key
Before=sshd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -q -t %i -N "" -C "" -f /etc/ssh/ssh_host_%i_key
""",
    # Fedora's name for the unit, and its keys before it.
    "usr/lib/systemd/system/sshd.service": """\
[Unit]
Description=OpenSSH server
After=network.target sshd-keygen@rsa.service sshd-keygen@ecdsa.service sshd-keygen@ed25519.service
Wants=sshd-keygen@rsa.service sshd-keygen@ecdsa.service sshd-keygen@ed25519.service

[Service]
Type=notify
ExecStart=/usr/sbin/sshd -D
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=on-failure
RestartSec=42s
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755

[Install]
WantedBy=multi-user.target
""",
    # Where the machine keeps its cgroup controllers in version 1, nodes have none: podman's default limit of
    # processes would make every container fail to start.
    "etc/containers/containers.conf.d/10-lab.conf": "[containers]\npids_limit=0\n",
    # Ignition refuses to run where it cannot set SELinux labels: a policy without rules, and setfiles is a
    # stub (nodes.py).
    "etc/selinux/config": "SELINUX=disabled\nSELINUXTYPE=lab\n",
    "etc/selinux/lab/contexts/files/file_contexts": "",
    # Ignition's useradd takes its defaults from here; these are FCOS's.
    "etc/default/useradd": (
        "GROUP=100\nHOME=/var/home\nINACTIVE=-1\nSHELL=/bin/bash\nSKEL=/etc/skel\nCREATE_MAIL_SPOOL=no\n"
    ),
}

REMOVED = (
    # Debian's names for what Fedora calls sshd.service, which the files above replace.
    *(
        f"usr/lib/systemd/system/{unit}"
        for unit in ("ssh.service", "ssh.socket", "sshd@.service", "sshd-keygen.service")
    ),
    "usr/lib/systemd/system/rescue-ssh.target",
    # systemd would make a unit of every script in here, a second sshd among them.
    "etc/init.d",
    # What Debian's packages enabled: presets decide, as on FCOS.
    "etc/systemd/system",
)
"""Taken away before :data:`FILES` are written."""

UNITS_MASKED = (
    # It would take away the address that the lab gave to host0.
    *("systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service"),
    # It would wait for somebody at the console.
    "systemd-firstboot.service",
    # A container has no clock, no disks and no kernel of its own to look after.
    *(
        "e2scrub_reap.service",
        "systemd-pstore.service",
        "systemd-udevd.service",
        "systemd-udev-trigger.service",
    ),
)

COMMANDS = (
    ("groupadd", "--system", "wheel"),
    ("useradd", "--uid", "1000", "--create-home", "--groups", "adm,sudo,systemd-journal,wheel", "core"),
    ("systemctl", "preset-all"),
    ("systemctl", "set-default", "--quiet", "multi-user.target"),
    ("systemctl", "mask", "--quiet", *UNITS_MASKED),
    # Says that caches which a first boot would rebuild (ldconfig, users, journal catalogue) are up to date.
    ("/usr/lib/systemd/systemd-update-done",),
)
"""Run in the tree, in this order, after the files are there."""
