"""``make demo``: a dashboard with one project, live on one node, until Ctrl-C.

Nothing in it is pretended: the node boots from the machine file that the product generates, and all that follows is
what the pages do: the same services, and operations run by the worker of a running installation.
"""
