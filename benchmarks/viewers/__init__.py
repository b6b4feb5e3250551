"""How many people can watch one running log through one web process, and how late its lines reach them.

    python -m benchmarks.viewers [--viewers 1000] [--naive 30 100 300] [--databases sqlite postgres] [--write]

A fresh installation, its real web process, an operation that runs as in a worker and says 20 lines a second, then
bursts; the viewers are HTTP connections of another process over loopback. Beside it, in the same run: a view as one
writes it first, which asks the database for each viewer.
"""
