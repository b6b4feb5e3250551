"""``ffs doctor``: looks at an installation from where it is started, changes nothing, and says what to do."""
