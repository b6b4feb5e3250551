"""The conversation in which project files are sent, in the two forms that nodes take."""

from __future__ import annotations

import hashlib
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from deployments.core import node_commands, node_input
from deployments.core.node_events import Answer, BadAnswer, Progress, Ready, Refused
from deployments.core.sizes import shown_bytes
from deployments.execution.file_deltas import file_blobs, file_forms
from deployments.execution.node_program import LONG, Tell
from deployments.oci.filestore import tar_of
from deployments.oci.filestream import There, archive, pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from deployments.core.filetransfer import Alike, Transfer
    from deployments.core.filetree import FileEntry, FileTree
    from deployments.core.node_events import Event
    from deployments.execution.deploy_target import DeployTarget
    from deployments.execution.files_outflow import Outflow
    from deployments.oci.forms import Form


LISTED_FROM = 200
"""Files from which on it is worth telling the list of files as a difference too: below, it has some kB at most."""


class Sender(Protocol):
    """``send`` may be repeated; ``how`` says in words what is sent."""

    @property
    def how(self) -> str: ...

    def send(self) -> None:
        """Raises Refused, BadAnswer, RemoteError, FilesError, FormGone."""


class Plain:
    """As every ffs-node takes it: the tar of what changed, as it is."""

    def __init__(self, run: DeployTarget, out: Outflow, base: int | None, travel: Transfer) -> None:
        self._run, self._out, self._base = run, out, base
        changed = (*travel.whole, *(each.entry for each in travel.alike))
        self._paths = sorted((*(e.path for e in changed), *(c.path for c in travel.copied)), key=str.encode)
        self._size = travel.size + sum(each.size for each in travel.copied)

    @property
    def how(self) -> str:
        return f"{len(self._paths)} whole"

    def send(self) -> None:
        stream = self._out.through(self._stream())
        _ask(self._run, self._base, stream, seconds=self._out.seconds(self._size), hear=lambda _event: None)

    def _stream(self) -> Iterator[bytes]:
        tree = self._run.wanted.files
        yield node_input.stage_files_head(_staged(tree.entries), self._paths)
        if self._paths:
            yield from tar_of(tree, self._paths, file_blobs())


class Packed:
    """For a node that has zstd: compressed, large changed files as differences, and going on after a cut."""

    def __init__(
        self,
        run: DeployTarget,
        out: Outflow,
        base: tuple[int, FileTree] | None,
        travel: Transfer,
        deltas: Sequence[tuple[Alike, Form]],
        *,
        resume: bool,
    ) -> None:
        self._run, self._out, self._resume = run, out, resume
        self._base = base[0] if base else None
        self._list = base[1].encode() if base and len(base[1].entries) >= LISTED_FROM else b""
        self._forms = {form.digest.removeprefix("sha256:"): form for _, form in deltas}
        self._patched = tuple(_patched(alike, form) for alike, form in deltas)
        spared = {each.path for each in self._patched}
        whole = (*travel.whole, *(each.entry for each in travel.alike if each.entry.path not in spared))
        self._whole = tuple(_staged(sorted(whole, key=lambda entry: entry.path.encode())))
        self._copied = tuple(node_input.CopiedFile(each.path, each.source) for each in travel.copied)
        self._items = node_input.archive_items(self._whole, self._patched)

    @property
    def how(self) -> str:
        return f"{len(self._whole)} whole, {len(self._patched)} as differences, {len(self._copied)} copied there"

    def send(self) -> None:
        try:
            self._send()
        except Refused as refused:
            if refused.code != "no-manifest" or not self._list:
                raise
            self._list = b""  # another version of ffs-node brought the base release there
            self._send()

    def _send(self) -> None:
        waiting = Waiting(self._run)
        using = file_forms().use(self._forms.values()) if self._forms else nullcontext()
        stream = self._out.through(self.stream(waiting))
        seconds = self._out.seconds(sum(item.size for item in self._items))
        try:
            with using:
                _ask(self._run, self._base, stream, seconds=seconds, hear=waiting.hear)
        finally:
            waiting.over.set()

    def stream(self, waiting: Waiting | None) -> Iterator[bytes]:
        """All that goes to the node's standard input."""
        yield node_input.packed_files_head(
            _staged(self._run.wanted.files.entries),
            [file.path for file in self._whole],
            self._patched,
            self._copied,
            pack=lambda manifest: pack(manifest, self._list),
            resume=self._resume,
            manifest_base=hashlib.sha256(self._list).hexdigest() if self._list else "",
        )
        there = There()
        if self._resume and waiting is not None:
            ready = waiting.ready()
            if ready is None:
                return  # the node has answered without waiting for an archive
            there = there_of(ready, [item.size for item in self._items])
            held = sum(self._items[index].size for index in there.whole) + sum(there.halves.values())
            if held:
                waiting.log(f"{shown_bytes(held)} in {len(there.whole)} files are there from an earlier attempt.")
        yield from archive(self._items, self._path, there, thorough=self._out.thin)

    def _path(self, item: node_input.ArchiveItem) -> Path:
        form = self._forms.get(item.sha256) if item.name.startswith("d/") else None
        return form.path if form else file_blobs().path(f"sha256:{item.sha256}")


class Waiting:
    """Lets the thread that sends wait for what the thread that reads is told."""

    def __init__(self, run: DeployTarget) -> None:
        self._run = run
        self._told: Ready | None = None
        self.over = threading.Event()

    def hear(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._told = event
        if isinstance(event, Ready | Answer):
            self.over.set()

    def ready(self) -> Ready | None:
        """What the node holds; None if it ended instead. Raises what a checkpoint raises."""
        while not self.over.wait(0.5):
            self._run.context.checkpoint()
        return self._told

    def log(self, text: str) -> None:
        self._run.context.log(text, target=self._run.target)


def there_of(ready: Ready, sizes: Sequence[int]) -> There:
    """What a node says it holds of an archive whose items have these sizes. Raises BadAnswer for what cannot be."""
    if sum(count for _, count in ready.held) > len(sizes):
        raise BadAnswer("The node says that it holds more files than there are.")
    whole = frozenset(index for first, count in ready.held for index in range(first, first + count))
    halves = dict(ready.half)
    if any(index >= len(sizes) for index in (*whole, *halves)) or halves.keys() & whole:
        raise BadAnswer("The node says that it holds files that there are not.")
    if any(not 0 < size < sizes[index] for index, size in halves.items()):
        raise BadAnswer("The node says that it holds more of a file than there is.")
    return There(whole, halves)


def _ask(run: DeployTarget, base: int | None, stream: Iterator[bytes], *, seconds: float, hear: Tell) -> None:
    def tell(event: Event) -> None:
        hear(event)
        if isinstance(event, Progress):
            run.context.log(f"{event.done} of {event.total} files.", target=run.target)

    argv = node_commands.stage_files(run.fence, run.service.name, run.release.number, base)
    run.program().ask(argv, stdin=stream, timeout=max(LONG, seconds), tell=tell)


def _staged(entries: Sequence[FileEntry]) -> list[node_input.StagedFile]:
    return [node_input.StagedFile(e.path, e.mode, e.size, e.sha256) for e in entries]


def _patched(alike: Alike, form: Form) -> node_input.PatchedFile:
    return node_input.PatchedFile(alike.entry.path, alike.old.path, form.digest.removeprefix("sha256:"), form.size)
