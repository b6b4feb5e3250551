"""How long it takes to read the facts of a hundred nodes: ffsweb, beside pyinfra and ansible-core.

    python -m benchmarks.fleet [--nodes 100] [--lab-nodes 30] [--rounds 3] [--write]

The nodes are addresses of loopback behind one real sshd, whose forced command waits as long as ``ffs-node facts``
works and prints a recorded answer. pyinfra and ansible-core are installed from PyPI into a temporary environment.
Then real nodes of the lab are read in the same ways, and deployed to again though nothing changes.
"""
