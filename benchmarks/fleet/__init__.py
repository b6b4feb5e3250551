"""How long it takes to read the facts of a hundred nodes: ffsweb, beside pyinfra and ansible-core.

    python -m benchmarks.fleet [--nodes 100] [--rounds 3] [--write]

The nodes are addresses of loopback behind one real sshd, whose forced command waits as long as ``ffs-node facts``
works and prints a recorded answer. pyinfra and ansible-core are installed from PyPI into a temporary environment.
"""
