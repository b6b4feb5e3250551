"""Backups of the dashboard itself: one encrypted file, and the way back from it onto an empty machine.

``chunks`` is the encryption, ``manifest`` what stands at the start, ``parts`` the framing; ``making`` writes a whole
file, ``checking`` reads one; ``keyfile`` is the copy of the keys, which is another file for another place.
"""
