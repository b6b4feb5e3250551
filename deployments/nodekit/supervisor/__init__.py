"""Keeps programs running, and notices those that hang. Standard library only, Python 3.9 or later.

A child gets the number of a pipe in FFS_HEARTBEAT_FD and writes ``H`` to it every FFS_HEARTBEAT_INTERVAL seconds, or
``W``, words and a line feed while it is well but waits for something that no restart would bring. A program that
never wrote either is healthy while it runs, unless the image sets FFS_HEARTBEAT=required; or it can be asked, by
--probe. Three intervals without a sign of life: it hangs, so SIGTERM, then SIGKILL for its process group, and a new
start. As PID 1 of a container it reaps orphans, passes signals on, and hands secrets to the program alone.

Exit codes of its own: 100 the program crashed too often, 101 to 105 a secret (see ``places``), 126 and 127 the
command cannot be started. Else the program's, or 0 if it died of the signal that was passed on.

These modules ship as one file: :func:`deployments.nodekit.supervisor.onefile.source` makes it.
"""

from __future__ import annotations

from deployments.nodekit.supervisor.keeper import GAVE_UP
from deployments.nodekit.supervisor.loop import Supervisor
from deployments.nodekit.supervisor.spec import Policy, Probe, Spec
from deployments.nodekit.supervisor.telling import Notifier, Say, speaker

__all__ = ["GAVE_UP", "Notifier", "Policy", "Probe", "Say", "Spec", "Supervisor", "speaker"]
