"""The images of docker-compose.yml without a registry: ffsweb's by its Dockerfile, and stand-ins for the servers.

The stand-ins are Debian's Caddy, Redis and PostgreSQL with the parts of the official images' contracts on which the
compose file relies: their users, their directories, their commands, and the variables from which PostgreSQL sets
itself up. Built with buildah in chroots, so nothing is asked of this machine's kernel.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.base import cached
from tests.lab.host import cache
from tests.lab.run import check

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent
SUITE: Final = "bookworm"
"""With Python 3.11: the oldest that ffsweb runs on."""
PACKAGES: Final = (
    *("python3", "python3-venv", "ca-certificates", "skopeo"),
    *("caddy", "redis-server", "postgresql", "libcap2-bin"),
)
NAMES: Final = {
    "IMAGE": "localhost/ffsweb:lab",
    "PROXY_IMAGE": "localhost/caddy:lab",
    "VALKEY_IMAGE": "localhost/valkey:lab",
    "POSTGRES_IMAGE": "localhost/postgres:lab",
}
"""The variables of the compose file that name images."""
BUILD_TIMEOUT: Final = 900.0


def archive() -> Path:
    """An archive of all images, for ``podman load``; ffsweb's is always that of this checkout. A minute; two at first."""
    made_of = [HERE / "composed_servers" / name for name in ("Containerfile", "set-up-and-serve")]
    store = cached("composed", (Path(__file__), *made_of), _servers)
    kept = Path.home() / ".cache" / "uv"  # what made this checkout's environment: nothing is fetched twice
    kept.mkdir(parents=True, exist_ok=True)
    paths = [f"--volume={path}:{path}:ro" for path in _registry_settings()] + [f"--volume={kept}:/root/.cache/uv"]
    _buildah(
        store,
        *("bud", "--quiet", "--isolation=chroot", "--network=host", *paths),
        *("--build-arg=BASE=localhost/base:lab", "--build-arg=PACKAGES=", f"--tag={NAMES['IMAGE']}", str(CHECKOUT)),
    )
    file = Path(tempfile.mkdtemp(prefix="composed-", dir=cache())) / "images.tar"
    roots = ("--root", str(store / "root"), "--runroot", str(store / "run"), "--storage-driver", "overlay")
    check(
        ("podman", *roots, "save", "--quiet", "--multi-image-archive", f"--output={file}", *NAMES.values()),
        timeout=BUILD_TIMEOUT,
    )
    return file


def _servers(place: Path) -> None:
    tree = place / "base.tar"
    exclude = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    check(
        (
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", *exclude),
            *(SUITE, str(tree)),
        ),
        timeout=BUILD_TIMEOUT,
    )
    container = _buildah(place, "from", "scratch")
    _buildah(place, "add", "--quiet", container, str(tree), "/")
    _buildah(place, "commit", "--quiet", container, "localhost/base:lab")
    _buildah(place, "rm", container)
    tree.unlink()
    for target in ("caddy", "valkey", "postgres"):
        _buildah(
            place,
            *("bud", "--quiet", "--isolation=chroot", f"--target={target}", f"--tag=localhost/{target}:lab"),
            str(HERE / "composed_servers"),
        )


def _buildah(store: Path, *arguments: str) -> str:
    command = ("buildah", f"--root={store}/root", f"--runroot={store}/run", "--storage-driver=overlay", *arguments)
    return check(command, timeout=BUILD_TIMEOUT).strip()


def _registry_settings() -> Sequence[str]:
    """How this machine reaches the registry of Python packages: certificates, and what pip is told, if anything."""
    settings = Path("/etc/pip.conf")
    named = re.findall(r"(?:file://)?(/[^\s,]+)", settings.read_text()) if settings.is_file() else []
    # A directory of an index is enough: what is below it comes along.
    places = {"/etc/ssl/certs", "/usr/share/ca-certificates", *map(str, [settings] if named else []), *named}
    return sorted(path for path in places if os.path.exists(path) and not path.endswith(".crt"))
