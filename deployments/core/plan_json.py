"""Plans as canonical JSON, and their hashes. Reading one back checks every type."""

from __future__ import annotations

import hashlib
import json
import types
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .plan_layers import Estimate, LayersPlan
from .plan_values import Plan, TargetPlan

_T = TypeVar("_T")


class PlanError(ValueError):
    """Not the JSON of a plan; names the place."""


def to_json(plan: Plan) -> str:
    """The canonical JSON: sorted keys, no white space, UTF-8. Equal plans have equal texts."""
    return json.dumps(asdict(plan), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plan_hash(plan: Plan) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits: the name under which a plan is shown and put to work.

    Estimates of what will travel are left out: they move with every transfer, and change nothing of what is done.
    """
    return hashlib.sha256(to_json(replace(plan, targets=tuple(map(_promised, plan.targets)))).encode()).hexdigest()


def effect_hash(plan: Plan) -> str:
    """The same for what will differ on the nodes alone, without the checks and without what has to travel.

    It stays the same as long as another reading changes nothing, and while an interrupted run has staged a part.
    """
    return plan_hash(replace(plan, targets=tuple(_effect(target) for target in plan.targets)))


def _promised(target: TargetPlan) -> TargetPlan:
    layers, files = replace(target.layers, estimate=Estimate()), replace(target.files, expected=0)
    return replace(target, layers=layers, files=files)


def _effect(target: TargetPlan) -> TargetPlan:
    return replace(
        target,
        checks=(),
        layers=LayersPlan((), 0, 0),
        files=replace(target.files, staged=False, bytes_to_send=0),
        credentials=replace(target.credentials, names=()),
    )


def from_json(text: str) -> Plan:
    """The plan that ``to_json`` wrote. Raises PlanError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise PlanError("it is not JSON") from None
    return from_value(value)


def from_value(value: object) -> Plan:
    """The plan from JSON that is read already (a row's body). Raises PlanError."""
    return _dataclass(value, Plan, "plan")


def _dataclass(value: object, kind: type[_T], path: str) -> _T:
    if not isinstance(value, dict) or not is_dataclass(kind):
        raise PlanError(f"{path} is no object")
    hints = get_type_hints(kind)
    names = {field.name for field in fields(kind)}
    if set(value) != names:
        odd = sorted(names ^ set(map(str, value)))
        raise PlanError(f"{path} lacks or has too much: {', '.join(odd)[:200]}")
    return kind(**{name: _value(value[name], hints[name], f"{path}.{name}") for name in names})


def _value(value: object, kind: Any, path: str) -> Any:
    if is_dataclass(kind):
        assert isinstance(kind, type)  # noqa: S101 - the types of our own dataclasses
        return _dataclass(value, kind, path)
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if not isinstance(value, list):
            raise PlanError(f"{path} is no list")
        return tuple(_value(each, item, f"{path}.{number}") for number, each in enumerate(value))
    assert not isinstance(kind, types.GenericAlias)  # noqa: S101
    if type(value) is not kind:
        raise PlanError(f"{path} is no {kind.__name__}")
    return value
