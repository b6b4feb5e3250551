"""The fields of Butane's ``fcos`` 1.4.0, in the order in which Ignition 3.3.0 writes them.

Source: coreos/butane ``base/v0_4/schema.go``, coreos/ignition ``config/v3_3/types/schema.go``. The order of a
table is the order of the struct there (embedded structs first), which is the order of the keys in the JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Scalar(Enum):
    """The types of single values."""

    TEXT = "text"
    NUMBER = "a whole number"
    SWITCH = "true or false"


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with known keys. ``name`` is for messages only."""

    name: str
    fields: tuple[Field, ...]

    def field(self, key: str) -> Field | None:
        """The field written as ``key`` in Butane, or None."""
        return next((field for field in self.fields if field.key == key), None)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items all have one type."""

    item: Scalar | Table


@dataclass(frozen=True, slots=True)
class Field:
    """A key of Butane, the key of Ignition that it becomes ("" if it has none) and its type (None: not built yet)."""

    key: str
    json: str
    type: Scalar | Table | ListOf | None


def camel(key: str) -> str:
    """Ignition's spelling of a Butane key: ``home_dir`` is ``homeDir``, ``size_mib`` is ``sizeMiB``."""
    first, *rest = key.split("_")
    return first + "".join("MiB" if part == "mib" else part.capitalize() for part in rest)


def _text(*keys: str) -> tuple[Field, ...]:
    return tuple(Field(key, camel(key), Scalar.TEXT) for key in keys)


def _number(key: str) -> Field:
    return Field(key, camel(key), Scalar.NUMBER)


def _switch(key: str) -> Field:
    return Field(key, camel(key), Scalar.SWITCH)


def _list(key: str, item: Scalar | Table = Scalar.TEXT) -> Field:
    return Field(key, camel(key), ListOf(item))


def _table(key: str, table: Table) -> Field:
    return Field(key, camel(key), table)


def _later(key: str) -> Field:
    return Field(key, "", None)


HEADER = Table("HTTP header", _text("name", "value"))
VERIFICATION = Table("verification", _text("hash"))
RESOURCE = Table(
    "resource",
    (
        *_text("compression"),
        _list("http_headers", HEADER),
        *_text("source"),
        _table("verification", VERIFICATION),
        Field("inline", "", Scalar.TEXT),
        _later("local"),
    ),
)
OWNER = Table("owner", (_number("id"), *_text("name")))
_NODE = (_table("group", OWNER), _switch("overwrite"), *_text("path"), _table("user", OWNER))
DIRECTORY = Table("directory", (*_NODE, _number("mode")))
FILE = Table("file", (*_NODE, _list("append", RESOURCE), _table("contents", RESOURCE), _number("mode")))
LINK = Table("link", (*_NODE, _switch("hard"), *_text("target")))
STORAGE = Table(
    "storage",
    (
        _list("directories", DIRECTORY),
        _later("disks"),
        _list("files", FILE),
        _later("filesystems"),
        _list("links", LINK),
        _later("luks"),
        _later("raid"),
        _later("trees"),
    ),
)
GROUP = Table("group", (_number("gid"), *_text("name", "password_hash"), _switch("should_exist"), _switch("system")))
USER = Table(
    "user",
    (
        *_text("gecos"),
        _list("groups"),
        *_text("home_dir", "name"),
        _switch("no_create_home"),
        _switch("no_log_init"),
        _switch("no_user_group"),
        *_text("password_hash", "primary_group"),
        _list("ssh_authorized_keys"),
        *_text("shell"),
        _switch("should_exist"),
        _switch("system"),
        _number("uid"),
    ),
)
PASSWD = Table("passwd", (_list("groups", GROUP), _list("users", USER)))
DROPIN = Table("drop-in", _text("contents", "name"))
UNIT = Table(
    "unit",
    (*_text("contents"), _list("dropins", DROPIN), _switch("enabled"), _switch("mask"), *_text("name")),
)
SYSTEMD = Table("systemd", (_list("units", UNIT),))
CONFIG = Table("config", (_list("merge", RESOURCE), _table("replace", RESOURCE)))
PROXY = Table("proxy", (*_text("http_proxy", "https_proxy"), _list("no_proxy")))
TLS = Table("TLS", (_list("certificate_authorities", RESOURCE),))
SECURITY = Table("security", (_table("tls", TLS),))
TIMEOUTS = Table("timeouts", (_number("http_response_headers"), _number("http_total")))
IGNITION = Table(
    "ignition",
    (
        _table("config", CONFIG),
        _table("proxy", PROXY),
        _table("security", SECURITY),
        _table("timeouts", TIMEOUTS),
    ),
)
KERNEL_ARGUMENTS = Table("kernel arguments", (_list("should_exist"), _list("should_not_exist")))
ROOT = Table(
    "machine",
    (
        Field("variant", "", Scalar.TEXT),
        Field("version", "", Scalar.TEXT),
        _table("ignition", IGNITION),
        _table("kernel_arguments", KERNEL_ARGUMENTS),
        _table("passwd", PASSWD),
        _table("storage", STORAGE),
        _table("systemd", SYSTEMD),
        _later("boot_device"),
    ),
)
