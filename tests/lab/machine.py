"""systemd-nspawn: how a node's tree is booted, and how to find and enter what runs in it."""

from __future__ import annotations

from pathlib import Path
from shlex import join, quote

from tests.lab import cgroups

BOOT_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    # systemd 257 runs on cgroup version 2 only, whatever this machine mounts.
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    # podman's netavark sets sysctls of its networks.
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
}

RESTART = 133
"""What nspawn ends with when the machine in it asked for a reboot."""


def boot_command(
    machine: str, hostname: str, tree: Path, cgroup: Path, wiring: tuple[tuple[str, ...], ...], unplugged: Path
) -> tuple[str, ...]:
    """The command that boots a tree as a machine, all of it in a cgroup, until it is shut down or killed.

    ``wiring`` is run before each boot, its last command only while there is no file ``unplugged``: a cable that was
    pulled stays out.
    """
    nspawn = (
        *("systemd-nspawn", "--quiet", "--boot"),
        *(f"--directory={tree}", f"--machine={machine}", f"--hostname={hostname}"),
        # There need be no systemd on this machine to register with.
        *("--register=no", "--keep-unit"),
        # A node is a machine: nested containers, overlay mounts, its own firewall and kernel keyrings.
        *("--capability=all", "--system-call-filter=add_key keyctl bpf"),
        f"--network-namespace-path=/run/netns/{machine}",
        # Nothing of this machine shows through.
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
        "--console=pipe",
    )
    # A process moves itself into a cgroup before it does anything else: nothing that it starts can be outside.
    # The loop has a cgroup beside the machine's own, since only leaves may hold processes (cgroups(7)).
    script = f"""
        echo $$ >{quote(str(cgroup))}/loop/cgroup.procs || exit
        while :; do
            {"; ".join(map(join, wiring[:-1]))}
            test -e {quote(str(unplugged))} || {join(wiring[-1])}
            sh -c 'echo $$ >"$0" && exec "$@"' {quote(str(cgroup))}/machine/cgroup.procs {join(nspawn)}
            status=$?
            test $status -eq {RESTART} || exit $status
        done
    """
    return ("sh", "-c", script)


def watcher(cgroup: Path) -> int | None:
    """The process id of a node's nspawn, which turns SIGTERM into an orderly shutdown; None if it is not
    there."""
    found = cgroups.processes(cgroup / "machine/supervisor")
    return found[0] if found else None


def leader(cgroup: Path) -> int | None:
    """The process id, on this machine, of a node's process 1; None while there is none."""
    for pid in cgroups.processes(cgroup / "machine/payload"):
        # Containers on the node have a process 1 too, one namespace further in.
        if _namespace_pids(pid)[1:] == [1]:
            return pid
    return None


def _namespace_pids(pid: int) -> list[int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return []
    return next(([int(number) for number in line.split()[1:]] for line in lines if line.startswith("NSpid:")), [])


def enter_command(leader_pid: int, cgroup: Path, path: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command that runs ``argv`` inside a node, in its namespaces and below its cgroup, so that it dies
    with it."""
    group = cgroup / "machine/payload/lab.scope"
    return (
        *("sh", "-c", 'mkdir -p "$0" && echo $$ >"$0/cgroup.procs" && exec "$@"', str(group)),
        *("nsenter", f"--target={leader_pid}", "--all", "--root", "--wd", "--"),
        *("env", "-i", f"PATH={path}", "HOME=/root", "LANG=C.UTF-8", *argv),
    )
