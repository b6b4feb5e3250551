"""However often programs are restarted, and for whatever reason: nothing is left of the earlier ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

# One supervisor in a process of its own: others of the test's children are not its business.
RESTARTING = """
import ctypes, os, signal, sys
from deployments.nodekit.supervisor import Policy, Probe, Spec, Supervisor

wanted, name = int(sys.argv[1]), sys.argv[2]
beating = ("bash", "-c", "printf H >&$FFS_HEARTBEAT_FD; sleep 300 & sleep 300")
deaf = ("bash", "-c", "trap '' TERM; printf H >&$FFS_HEARTBEAT_FD; sleep 300")
sleeping = ("sleep", "300")
spec = {
    "crashing": Spec("app", ("true",), heartbeat="none"),
    "hung": Spec("app", beating),
    "deaf": Spec("app", deaf),
    "never-started": Spec("app", sleeping),
    "probed-tcp": Spec("app", sleeping, heartbeat="none", probe=Probe("tcp", "127.0.0.1", 1)),
    "probed-name": Spec("app", sleeping, heartbeat="none", probe=Probe("tcp", "localhost", 1)),
    "probed-command": Spec("app", sleeping, heartbeat="none", probe=Probe("command", argv=("sh", "-c", "sleep 300 & sleep 300"))),
}[name]

starts = 0
def say(who, text):
    global starts
    if not text.startswith("started"):
        return
    starts += 1
    supervisor.course.children["app"].failures = 0  # restart at once each time
    if starts == wanted:
        os.kill(os.getpid(), signal.SIGTERM)

ctypes.CDLL(None).prctl(36, 1)  # orphans are ours, as they are process 1's
policy = Policy(interval=0.02, misses=2, grace=0.02, start_timeout=0.06, probe_timeout=0.03, crash_window=0)
supervisor = Supervisor([spec], policy=policy, say=say)
descriptors = len(os.listdir("/proc/self/fd"))
supervisor.run()
left = 0
try:
    while os.waitpid(-1, 0):  # waits for ever if one still runs
        left += 1
except ChildProcessError:
    pass
print(starts >= wanted, len(os.listdir("/proc/self/fd")) <= descriptors, left <= 5 or left)
"""


@pytest.mark.parametrize(
    ("what", "restarts"),
    [
        ("crashing", 1000),
        ("hung", 150),
        ("deaf", 100),
        ("never-started", 100),
        ("probed-tcp", 100),
        ("probed-name", 100),
        ("probed-command", 100),
    ],
)
def test_restarts_leak_no_descriptor_and_leave_no_process_and_no_zombie(what, restarts):
    command = (sys.executable, "-c", RESTARTING, str(restarts), what)
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
    assert done.stdout == "True True True\n", done.stderr
