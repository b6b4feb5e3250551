"""Measurements of the real thing, with the command that makes each. They are no tests: nothing here decides a build."""
