"""What can be wrong with an image, its archive or the store. Every message is for an operator.

::

    ImageError
    ├── ArchiveError            the uploaded file cannot be read as an archive
    │   ├── NotAnArchive        neither a tar nor a compressed tar
    │   ├── Unsupported         a compression or tar feature that is not read
    │   ├── Truncated           it ends before it is complete
    │   ├── TrailingData        something follows its end
    │   ├── TooLarge            more bytes or members than the limits allow
    │   ├── Expands             it unpacks to more than the limits allow
    │   ├── BadMember           a name, link or member type that no honest archive has
    │   └── DuplicateMember     two members under one name
    ├── NotAnImage              a readable archive that holds no image
    ├── SeveralImages           more than one image fits; the message names them
    ├── NoSuchImage             the image or architecture that was asked for is not there
    ├── BadDocument             a manifest or configuration that breaks the format
    ├── BadLayer                a layer that cannot be taken: missing, foreign, encrypted, no tar
    ├── WrongDigest             the bytes are not those that their name or descriptor promises
    └── StoreError              the store on this machine
        ├── NotAStore           the directory holds something else
        ├── StoreBusy           another process holds the lock
        ├── BlobMissing         a blob that should be there is not
        ├── BlobDamaged         a stored blob no longer has its digest
        └── DiskFull            no room left
"""

from __future__ import annotations

from typing import ClassVar


class ImageError(Exception):
    """The root. ``str()`` is what happened, what was left as it was, and what to do next."""

    advice: ClassVar[str] = "Nothing was kept."

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} {self.advice}"


class ArchiveError(ImageError):
    """The uploaded file cannot be read as an archive."""


class NotAnArchive(ArchiveError):
    """Neither a tar nor a compressed tar."""

    advice = "Nothing was kept. Upload what `podman save`, `docker save` or `skopeo copy` wrote."


class Unsupported(ArchiveError):
    """A compression or tar feature that is not read."""


class Truncated(ArchiveError):
    """The file ends before the archive is complete."""

    advice = "Nothing was kept. Upload it again; if it fails again, make the archive anew."


class TrailingData(ArchiveError):
    """Something follows the end of the archive or of a compressed stream."""

    advice = "Nothing was kept. Make the archive anew and upload only that."


class TooLarge(ArchiveError):
    """More bytes or members than the limits allow."""


class Expands(ArchiveError):
    """It unpacks to more than the limits allow."""


class BadMember(ArchiveError):
    """A name, link or member type that no honest archive has."""


class DuplicateMember(ArchiveError):
    """Two members under one name: which of them counts would depend on who reads it."""


class NotAnImage(ImageError):
    """A readable archive that holds no image."""

    advice = "Nothing was kept. Upload what `podman save`, `docker save` or `skopeo copy` wrote."


class SeveralImages(ImageError):
    """More than one image fits; ``choices`` names them."""

    advice = "Nothing was kept. Choose one of them, or save one image only."

    def __init__(self, what: str, choices: tuple[str, ...]) -> None:
        super().__init__(what)
        self.choices = choices


class NoSuchImage(ImageError):
    """The image or architecture that was asked for is not in the archive; ``choices`` names what is."""

    def __init__(self, what: str, choices: tuple[str, ...]) -> None:
        super().__init__(what)
        self.choices = choices


class BadDocument(ImageError):
    """A manifest, index or configuration that breaks the format or its limits."""


class BadLayer(ImageError):
    """A layer that cannot be taken: missing, foreign, encrypted or not a tar."""


class WrongDigest(ImageError):
    """The bytes are not those that their name, descriptor or configuration promises."""

    advice = "Nothing was kept. Make the archive anew and upload it again."


class StoreError(ImageError):
    """Trouble with the store on this machine rather than with what was uploaded."""

    advice = "The store was left as it was."


class NotAStore(StoreError):
    """The directory holds something else."""


class StoreBusy(StoreError):
    """Another process holds the store's lock."""

    advice = "Nothing was removed. Try again when the running upload has ended."


class BlobMissing(StoreError):
    """A blob that should be in the store is not."""

    advice = "Import the image again: the store takes the blob back."


class BlobDamaged(StoreError):
    """A stored blob no longer has its digest: the disk or somebody changed it."""

    advice = "Import the image again: the damaged blob is replaced."


class DiskFull(StoreError):
    """No room left on the store's file system."""

    advice = "Nothing was kept. Make room in the data directory and upload again."
