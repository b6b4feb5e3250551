"""The parent of all processes: what it may load."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"asyncio", "celery", "cryptography", "dataclasses", "django", "hashlib", "inspect", "paramiko", "tempfile"}


def test_the_parent_of_all_processes_loads_nothing_that_it_does_not_supervise_with():
    program = "import json, sys, ffsweb.runtime.supervise; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", program])))
    assert not loaded & HEAVY
    assert not [name for name in loaded if name.startswith("deployments.") and "nodekit" not in name]
