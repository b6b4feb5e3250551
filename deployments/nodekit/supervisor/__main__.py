"""``python3 -m deployments.nodekit.supervisor``: the same as the one file."""

import sys

from deployments.nodekit.supervisor.command import main

sys.exit(main())
