"""Measurements of the real thing, with the command that makes each. No tests: nothing here decides a build."""
