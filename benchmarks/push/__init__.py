"""What a push of an image costs, in bytes and seconds, against what people use instead.

``python -m benchmarks.push`` (or ``make bench-push``) as root: it makes four versions of an application's image,
boots lab nodes behind a link of known delay and rate, brings each version to them in every way, and writes
``docs/benchmarks.md`` from what it measured. Nothing is pretended: ffsweb's rows are its own plan, connection and
image step; the others are the programs themselves, on the same nodes, over the same link, in the same run.

- ``recipe``, ``trees``, ``layers``, ``versions``: the image, made once and kept in the lab's cache.
- ``relay``, ``link``: the link; every byte to a node goes through it and is counted there.
- ``receiver``, ``sender``, ``competitors``: the other ways. ``product``, ``stage_kind``: ffsweb's.
- ``raw``, ``many``: throughput of the connection itself, and many nodes at once.
- ``results``, ``report``: what was measured, as JSON and as text.
"""
