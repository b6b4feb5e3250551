"""Which process gets which ring."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from ffsweb.sealed import CannotOpen, RingMissing, Secret, create_ring, rotate_ring
from ffsweb.web import keys


@pytest.fixture(autouse=True)
def rings(settings, tmp_path):
    settings.KEYS = tmp_path
    settings.PROCESS = "test"
    create_ring(tmp_path, "web")
    create_ring(tmp_path, "worker")
    return tmp_path


def test_a_web_process_seals_for_the_worker_and_cannot_open(settings):
    settings.PROCESS = "web"
    box = keys.worker_sealer().seal(Secret("v"), "a")
    with pytest.raises(ImproperlyConfigured, match="web process does not open secrets"):
        keys.worker_opener()
    with pytest.raises(CannotOpen):
        keys.web_opener().open(box, "a")
    settings.PROCESS = "worker"
    assert keys.worker_opener().open(box, "a") == Secret("v")


@pytest.mark.parametrize("process", ["web", "beat", "anything"])
def test_only_named_processes_open_the_worker_ring(settings, process):
    settings.PROCESS = process
    with pytest.raises(ImproperlyConfigured):
        keys.worker_opener()


@pytest.mark.parametrize("process", ["worker", "command", "test"])
def test_the_worker_and_commands_open_it(settings, process):
    settings.PROCESS = process
    assert keys.worker_opener().open(keys.worker_sealer().seal(Secret("v"), "a"), "a") == Secret("v")


def test_log_in_factors_go_by_the_web_ring():
    assert keys.web_opener().open(keys.web_sealer().seal(Secret("v"), "a"), "a") == Secret("v")


def test_rings_are_read_once_and_again_after_a_rotation(rings):
    first = keys.worker_sealer()
    assert keys.worker_sealer() is first
    old = first.seal(Secret("v"), "a")
    rotate_ring(rings, "worker")
    assert keys.worker_sealer().key != first.key
    assert keys.worker_opener().open(old, "a") == Secret("v")


def test_a_missing_ring_is_a_clear_error(settings, tmp_path):
    settings.KEYS = tmp_path / "nowhere"
    with pytest.raises(RingMissing, match="nowhere"):
        keys.worker_sealer()
