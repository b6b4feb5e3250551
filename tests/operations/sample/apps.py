"""Registers the sample kinds."""

from __future__ import annotations

from django.apps import AppConfig

from ffsweb.operations import kinds


class SampleConfig(AppConfig):
    """Kinds for tests."""

    name = "tests.operations.sample"
    label = "sample"

    def ready(self) -> None:
        from . import kinds as sample

        for function in (sample.count, sample.wait, sample.deaf, sample.commands, sample.kills, sample.queries):
            kinds.register(f"sample.{function.__name__}", function)
