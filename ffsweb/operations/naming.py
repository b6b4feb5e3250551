"""What people call a resource: the engine knows keys such as ``service:12`` alone, applications know the names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from .models import OperationTarget

Names = Callable[[Collection[int]], Mapping[int, str]]
_names: dict[str, Names] = {}


def register(prefix: str, names: Names) -> None:
    """Let ``names`` say what each ``prefix:NUMBER`` is called; it leaves out what is not there any more."""
    _names[prefix] = names


def names_of(resources: Iterable[str], *, operations: Collection[int] = ()) -> dict[str, str]:
    """The name of each, else what one of these operations calls its target of this key, else the key.

    A query for each prefix, and one.
    """
    found = dict.fromkeys(resources, "")
    numbers: dict[str, dict[int, str]] = {}
    for resource in found:
        prefix, _, number = resource.partition(":")
        if prefix in _names and number.isascii() and number.isdecimal():
            numbers.setdefault(prefix, {})[int(number)] = resource
    for prefix, keys in numbers.items():
        found.update({keys[pk]: name for pk, name in _names[prefix](keys.keys()).items()})
    left = [resource for resource, name in found.items() if not name]
    if left:
        rows = OperationTarget.objects.filter(operation__in=operations, key__in=left).order_by("-pk")
        found.update(rows.values_list("key", "label"))
    return {resource: name or resource for resource, name in found.items()}
