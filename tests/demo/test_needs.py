"""Where the demo cannot run it says so in one go, in the words of the distribution at hand."""

from __future__ import annotations

from tests.demo.needs import refusals

DEBIAN = 'NAME="Debian GNU/Linux"\nID=debian\n'
UBUNTU = 'ID=ubuntu\nID_LIKE="debian"\n'
FEDORA = "ID=fedora\n"


def said(*, platform: str = "linux", uid: int = 0, packages: tuple[str, ...] = (), system: str = DEBIAN) -> str:
    return "\n".join(refusals(platform=platform, uid=uid, packages=packages, system=system))


def test_it_runs_as_root_with_everything_installed() -> None:
    assert said() == ""


def test_it_needs_root_and_says_how() -> None:
    assert "sudo make demo" in said(uid=1000)


def test_it_names_packages_and_root_at_once() -> None:
    text = said(uid=1000, packages=("buildah",))
    assert "buildah" in text
    assert "root" in text


def test_it_names_the_packages_for_apt_on_debian_and_its_kin() -> None:
    for system in (DEBIAN, UBUNTU):
        text = said(packages=("mmdebstrap", "iproute2"), system=system)
        assert "apt-get install --no-install-recommends iproute2 mmdebstrap" in text
        assert "dnf" not in text


def test_it_names_the_packages_for_dnf_on_fedora() -> None:
    text = said(packages=("iproute2", "mmdebstrap", "redis-server", "systemd-container"), system=FEDORA)
    assert "dnf install debian-keyring iproute mmdebstrap systemd-container valkey" in text
    assert "apt" not in text


def test_it_names_both_where_it_knows_neither() -> None:
    text = said(packages=("ignition",), system="ID=other\n")
    assert "apt-get install" in text
    assert "dnf install" in text


def test_it_refuses_another_system_without_further_advice() -> None:
    text = said(platform="darwin", uid=501, packages=("buildah",))
    assert "Linux" in text
    assert "buildah" not in text
