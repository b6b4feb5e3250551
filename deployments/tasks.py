"""The fleet's ticks: nodes are read, and what nobody needs any more is swept away."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from deployments.execution import (
    access_looking,
    collect,
    convert,
    looking,
    readings,
    registry_sweep,
    retention,
    sweep,
)
from deployments.models import Plan
from deployments.services import access_keys, access_rotation, on_push, pruning, served_watch
from deployments.services.catching_up import catch_up
from deployments.services.collect import kept_digests
from ffsweb.celery import app, every

every(10.0, task="deployments.read_nodes")
every(3600.0, task="deployments.sweep")
every(10.0, task="deployments.collect")
every(600.0, task="deployments.expire_uploads")
every(600.0, task="deployments.prune_nodes")
every(3600.0, task="deployments.forget")
every(15.0, task="deployments.prepare_images")
every(20.0, task="deployments.catch_up")
every(15.0, task="deployments.take_up")
every(60.0, task="deployments.look_at_served")
every(300.0, task="deployments.look_at_keys")
every(300.0, task="deployments.watch_served")


@app.task(name="deployments.read_nodes")
def read_nodes() -> None:
    """Read the nodes that are due."""
    readings.read_due_nodes()


@app.task(name="deployments.sweep")
def sweep_store() -> None:
    """Remove what no row names any more."""
    for directory in ("uploads", "incoming"):  # what a killed web process left in the second belongs to nobody
        sweep.uploads(settings.DATA / directory)
    Plan.objects.forget_old()
    collect.ask()
    collect.collect_open(kept_digests)
    convert.forget()
    sweep.files()
    registry_sweep.forget_pushed()
    registry_sweep.left_pulls()


@app.task(name="deployments.collect")
def collect_store() -> None:
    """Remove from the image store what nothing needs, if somebody asked for it."""
    collect.collect_open(kept_digests)


@app.task(name="deployments.prepare_images")
def prepare_images() -> None:
    """Let new images be made ready for pushes."""
    convert.request_due()


@app.task(name="deployments.take_up")
def take_up_pushed() -> None:
    """Go on with pushed images that a project's policy takes up."""
    on_push.take_up_waiting()


@app.task(name="deployments.catch_up")
def pay_what_is_owed() -> None:
    """Begin the deploys and the rotations of keys that nodes missed while they were away."""
    catch_up()
    access_rotation.catch_up()
    access_keys.catch_up()


@app.task(name="deployments.look_at_served")
def look_at_served() -> None:
    """Look at the certificates that services really serve."""
    looking.look_at_due()


@app.task(name="deployments.watch_served")
def watch_served() -> None:
    """Tell where services serve another certificate than they should, or where nobody could look."""
    served_watch.watch(timezone.now())


@app.task(name="deployments.look_at_keys")
def look_at_keys() -> None:
    """Look at the access keys on nodes that nobody has looked at for hours."""
    access_looking.look_at_due()


@app.task(name="deployments.expire_uploads")
def expire_uploads() -> None:
    """Remove uploads whose time is over."""
    sweep.expired_uploads()
    registry_sweep.expire_pushes()


@app.task(name="deployments.prune_nodes")
def prune_nodes() -> None:
    """Let the nodes be pruned whose time of day has come."""
    pruning.prune_due_nodes()


@app.task(name="deployments.forget")
def forget() -> None:
    """Forget operations, releases, files and images that nothing needs, and private keys that were replaced."""
    retention.forget_all()
    access_rotation.destroy_old_keys()
