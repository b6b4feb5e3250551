"""How long the status of a fleet's certificates takes: ffsweb, beside ``openssl s_client`` in parallel.

    python -m benchmarks.certificates [--endpoints 1000] [--lab-nodes 30] [--rounds 3] [--write]

The endpoints are ports of loopback where one process shakes hands by TLS. Then real nodes of the lab are looked at,
each by itself over SSH and by the dashboard.
"""
