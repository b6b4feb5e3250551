#!/usr/bin/env python3
"""Django's command line for ffsweb: the same as ``ffs manage``."""

import sys

from ffsweb.runtime.administer import manage

if __name__ == "__main__":
    sys.exit(manage(sys.argv[1:]))
