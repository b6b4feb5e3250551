"""The API as an object: routers in, guarded addresses and their description out. It knows no fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, ValidationError

from ffsweb.accounts.access import View, token_view
from ffsweb.operations.services import Busy
from ffsweb.web.problems import TYPE, Problem

from .bodies import MOST_ERRORS, looked_at, shown_place
from .idempotency import HEADER, once
from .rights import Needs, admitting, needs_of


class Interface(NinjaAPI):
    """An API whose functions all say who may call them (``rights``), and whose errors are problems."""

    def __init__(self, **options: Any) -> None:
        super().__init__(openapi_url=None, docs_url=None, **options)
        self._needs: dict[str, dict[str, Needs]] = {}
        self._taken: set[str] = set()
        self._unstored: set[str] = set()
        self._functions: dict[str, dict[str, str]] = {}
        self.add_exception_handler(Problem, lambda _request, error: error.response())
        self.add_exception_handler(Http404, _missing)
        self.add_exception_handler(PermissionDenied, lambda _request, error: Problem(403, str(error)).response())
        self.add_exception_handler(ValidationError, _invalid)
        self.add_exception_handler(Busy, lambda _request, error: in_use(error).response())
        self.add_exception_handler(HttpError, lambda _r, error: Problem(error.status_code, str(error)).response())

    def mount(self, routers: Iterable[Router]) -> None:
        """Take in routers. Raises ImproperlyConfigured for a function that does not say who may call it."""
        for router in routers:
            self.add_router("", router)
            for address, view in router.path_operations.items():
                if address in self._taken:
                    raise ImproperlyConfigured(f"{address} is in two routers: the second would never be asked.")
                self._taken.add(address)
                of = {method: needs_of(each.view_func) for each in view.operations for method in each.methods}
                names = {method: each.view_func.__name__ for each in view.operations for method in each.methods}
                self._needs.update(dict.fromkeys(names.values(), of))
                self._unstored |= {
                    each.view_func.__name__ for each in view.operations if getattr(each.view_func, "unstored", False)
                }
                self._functions.update(dict.fromkeys(names.values(), names))

    def addresses(self, prefix: str) -> Iterator[URLPattern]:
        """The address of every function below ``prefix``, guarded; named ``api_`` and the name of the function."""
        for pattern in self.urls[0]:
            if isinstance(pattern, URLPattern) and pattern.name in self._needs:
                guard = token_view(admitting(self._needs[pattern.name]))(
                    self._answered(pattern.callback, pattern.name)
                )
                yield path(f"{prefix}{pattern.pattern}", guard, name=f"api_{pattern.name}")

    @cached_property
    def _parameters(self) -> dict[tuple[str, str], set[str]]:
        """The names that may stand in the query of a function, by its name and method."""
        paths = super().get_openapi_schema(path_prefix="")["paths"]
        return {
            (of["operationId"], method.upper()): {each["name"] for each in of["parameters"] if each["in"] == "query"}
            for methods in paths.values()
            for method, of in methods.items()
        }

    def _answered(self, view: View, name: str) -> View:
        """``view`` with problems in place of what the library answers by itself, and a misspelt parameter refused."""

        def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            method = request.method or ""
            function = self._functions[name].get(method)
            odd = sorted(set(request.GET) - self._parameters[function, method]) if function else []
            if odd:
                errors = [{"at": f"query.{each}", "detail": "There is no such parameter."} for each in odd]
                return Problem(422, f"There is no parameter {odd[0]!r}. Nothing was done.", errors=errors).response()
            try:
                if function:
                    looked_at(request)
                answer: HttpResponse = (
                    once(request, partial(view, request, *args, **kwargs))
                    if method == "POST" and function and function not in self._unstored
                    else view(request, *args, **kwargs)
                )
            except Problem as problem:
                return problem.response()
            if answer.status_code == 405:
                allowed = {"Allow": answer.get("Allow", "")}
                return Problem(405, f"{method} is not for this address.", headers=allowed).response()
            return answer

        answered.csrf_exempt = True  # type: ignore[attr-defined] - the token comes in a header, which no form sends
        return answered

    def needs(self) -> dict[str, dict[str, Needs]]:
        """What the functions take, by their names and by method."""
        return self._needs

    def get_openapi_schema(self, *args: Any, **options: Any) -> Any:
        """The description, with what holds for every function: tokens, roles and problems."""
        schema = super().get_openapi_schema(*args, **options)
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["components"].setdefault("schemas", {})["Problem"] = PROBLEM
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                operation["security"] = [{"token": []}]
                operation["x-role"] = self._needs[operation["operationId"]][method.upper()].words
                if method == "post" and operation["operationId"] not in self._unstored:
                    operation["parameters"].append(KEY)
                operation["responses"]["default"] = {
                    "description": "It was not done; `detail` says why and what to do.",
                    "content": {TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
        return schema

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The name of the function."""
        return str(operation.view_func.__name__)


KEY = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
    "description": "A text of your own for this request: sent again with it, it is done once and answered alike.",
}

PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["at", "detail"],
                "properties": {"at": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def in_use(busy: Busy) -> Problem:
    """409, with the operation that has what was asked for."""
    said = f"{busy.reason} Nothing was started. Wait for it to end, cancel it, or ask with “wait”."
    return Problem(409, said, more={"operation": busy.holder_id})


def _missing(_request: HttpRequest, error: Http404) -> HttpResponse:
    said = str(error.args[0]) if error.args and isinstance(error.args[0], str) else ""
    if not said or said.endswith("matches the given query."):
        said = "There is nothing at this address, or this access token is not for it."
    return Problem(404, said).response()


def _invalid(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [{"at": _place(each["loc"]), "detail": str(each["msg"])} for each in error.errors[:MOST_ERRORS]]
    said = "; ".join(f"{each['at']}: {each['detail']}" for each in errors[:5])
    return Problem(422, f"What was sent is not as described. {said}. Nothing was done.", errors=errors).response()


def _place(loc: Sequence[Any]) -> str:
    """Where it stands for who sent it: without the name that the function's argument has here."""
    shown = (loc[0], *loc[2:]) if len(loc) > 2 and loc[0] in {"body", "query"} else loc
    return shown_place(".".join(map(str, shown)))
