"""What goes into a backup: the database as of one moment, and every blob that it may refer to.

The order loses nothing: first nothing may be removed from the stores any more, then the database is copied, then the
blobs are listed. A row is written after its blobs, so what the copied rows name is in the list; what came in between
is in the list without a row, and goes with the first collection after a restore.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from certificates.models import Certificate
from deployments.models import FilesVersion, Image, Node, Release, Service
from deployments.models.image_store import store
from deployments.oci.blobs import BlobDirectory
from deployments.oci.filestore import files_directory
from ffsweb.accounts.models import Project, User
from ffsweb.backup import postgres, sealing, sqlite
from ffsweb.backup.errors import NotMade
from ffsweb.backup.manifest import INDEX, SQLITE, Manifest, Part
from ffsweb.operations.models import Operation
from ffsweb.version import running_version

MOST_TITLES = 50
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Gathered:
    """A manifest, and where its parts are."""

    manifest: Manifest
    places: dict[str, Path]

    def content(self, part: Part) -> Iterator[bytes]:
        """The bytes of a part; no more of them than the manifest tells."""
        with self.places[part.name].open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


@contextmanager
def gathered(*, images: bool) -> Iterator[Gathered]:
    """Everything, as long as this lasts; no collection removes anything meanwhile. Raises NotMade.

    Copies the database to FFSWEB_DATA, so that much room is needed for a while; blobs are read where they are.
    """
    kept, files = store(), files_directory(settings.DATA / "files")
    with ExitStack() as stack:
        stack.enter_context(kept.blobs.held())
        stack.enter_context(files.held())
        scratch = (
            settings.DATA / "files" / "scratch"
        )  # what a killed backup leaves there, the next collection removes
        spool = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="new-backup-", dir=scratch)))
        about = _About()
        places = _database(spool, about)
        if images:
            (spool / "index").write_bytes((kept.directory / "index.json").read_bytes())
            places[INDEX] = spool / "index"
        blobs = _blobs("files", files) | (_blobs("oci", kept.blobs) if images else {})
        _refuse_holes(about, set(blobs), images=images)
        parts = [*(_hashed(name, path) for name, path in places.items()), *(_named(*each) for each in blobs.items())]
        manifest = Manifest(
            version=running_version(),
            made_at=timezone.now().isoformat(timespec="seconds"),
            installation=settings.PUBLIC_URL,
            database=connection.vendor,
            images=images,
            migrations=about.migrations,
            counts=about.counts,
            running=about.running,
            sealed_by=about.sealed_by,
            columns=about.columns,
            parts=tuple(parts),
        )
        yield Gathered(manifest, places | blobs)


class _About:
    """What is asked of the database at the moment of the copy (SQLite: just before it)."""

    def __init__(self) -> None:
        self.columns: dict[str, list[str]] = {}
        self.images: list[tuple[str, list[str]]] = []
        self.files: list[tuple[str, set[str]]] = []

    def ask(self) -> None:
        """Nine queries, and the sealed values."""
        recorded = MigrationRecorder(connection).applied_migrations()
        self.migrations = dict(sorted(recorded))
        models = (Project, User, Node, Service, Release, Image, Certificate, Operation)
        self.counts = {str(model._meta.verbose_name_plural): model._default_manager.count() for model in models}
        active = Operation.objects.active()
        self.running = list(active.order_by("pk").values_list("title", flat=True)[:MOST_TITLES])
        self.counts["operations that had not ended"] = active.count()
        self.sealed_by = sealing.keys_needed()
        self.images = [
            (f"the image {image.image_id[:19]} of {image.project.name}", _digests(image))
            for image in Image.objects.select_related("project")
        ]
        self.files = [
            (f"{version} of {version.project.name}", {entry.digest for entry in version.tree().entries})
            for version in FilesVersion.objects.select_related("project").iterator()
        ]


def _digests(image: Image) -> list[str]:
    return [image.manifest_digest, image.image_id, *(layer["diff_id"] for layer in image.layers)]


def _database(spool: Path, about: _About) -> dict[str, Path]:
    if connection.vendor == "sqlite":
        about.ask()
        sqlite.snapshot(spool / "sqlite")
        return {SQLITE: spool / "sqlite"}
    tables = spool / "tables"
    tables.mkdir(mode=0o700)
    about.columns = postgres.snapshot(tables, also=about.ask)
    return {f"database/{table}": tables / table for table in about.columns}


def _blobs(kind: str, directory: BlobDirectory) -> dict[str, Path]:
    return {_blob(kind, digest): directory.path(digest) for digest in sorted(directory.digests())}


def _blob(kind: str, digest: str) -> str:
    return f"{kind}/blobs/sha256/{digest.removeprefix('sha256:')}"


def _refuse_holes(about: _About, names: set[str], *, images: bool) -> None:
    """A backup with a hole in it would be found out on the day of the restore."""
    needed = [("files", what, digests) for what, digests in about.files]
    needed += [("oci", what, set(digests)) for what, digests in about.images if images]
    for kind, what, digests in needed:
        missing = {digest for digest in digests if _blob(kind, digest) not in names}
        if missing:
            raise NotMade(
                f"{what} is not whole: {len(missing)} of its parts are not in the store, one is {min(missing)}. "
                "No backup was made. Upload it again, or remove it; --without-images leaves images out."
            )


def _hashed(name: str, path: Path) -> Part:
    with path.open("rb") as file:
        return Part(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _named(name: str, path: Path) -> Part:
    return Part(name, path.stat().st_size, path.name)
