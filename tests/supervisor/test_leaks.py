"""However often programs are restarted, and for whatever reason: nothing is left of the earlier ones."""

from __future__ import annotations

import subprocess
import sys

_A_THOUSAND_RESTARTS = """
import os, signal
from deployments.nodekit.supervisor import Policy, Spec, Supervisor
from deployments.nodekit.supervisor.child import Child

class Counting(Child):
    count = 0
    def spawn(self, interval):
        Counting.count += 1
        if Counting.count == 1000:
            os.kill(os.getpid(), signal.SIGTERM)
        self.failures = 0  # restart at once each time
        super().spawn(interval)

spec = Spec("true", ("true",), heartbeat="none")
supervisor = Supervisor([spec], policy=Policy(interval=0.2, crash_window=0), say=lambda *_: None)
supervisor.course.children["true"] = child = Counting(spec)
descriptors = len(os.listdir("/proc/self/fd"))

code = supervisor.run()
try:
    left = os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    left = None
print(code, Counting.count >= 1000, len(os.listdir("/proc/self/fd")) <= descriptors, left)
"""


def test_a_thousand_restarts_leak_no_descriptor_and_leave_no_zombie():
    # In a process of its own: others of this one's children are not the supervisor's business.
    command = (sys.executable, "-c", _A_THOUSAND_RESTARTS)
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
    assert done.stdout == "0 True True None\n"
