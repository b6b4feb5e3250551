"""``ffs banner``: what the operator is told once everything runs."""

from __future__ import annotations

import sys

from ffsweb.runtime.loading import environment, load_django, refuse
from ffsweb.runtime.valkey import described


def run(arguments: list[str]) -> int:
    """Print the address and, while nobody administers this installation, a one-time link to change that."""
    if arguments:
        refuse("ffs banner takes no arguments.")
    load_django("command")
    from ffsweb.accounts.setup import first_admin_link

    values = environment()
    lines = ["", f"  ffsweb runs at {values.public_url}", f"  Messages go through {described(values)}."]
    link = first_admin_link(values.public_url)
    if link is not None:
        lines += ["", "  There is no administrator yet. This link makes the first one; it works once:", f"  {link}"]
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()
    return 0
