"""What lives on a node: the program ``ffs-node``, its unit, and the supervisor that containers run under.

Empty on purpose: the parent of all processes of the dashboard is that supervisor, and is to load nothing else.
"""
