"""The API's description: OpenAPI for programs, and a page for people that loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from ffsweb.accounts.access import PersonRequest, member_view, public_view

from .interface import Interface

PREFIX = "api/v1/"


def addresses(api: Interface) -> list[URLPattern]:
    """Where ``api`` is described, below ``/api/``."""

    @public_view
    @require_safe
    def openapi(request: HttpRequest) -> HttpResponse:
        """OpenAPI 3.1. It says nothing about this installation, so that generators of clients can have it."""
        return JsonResponse(api.get_openapi_schema(path_prefix=PREFIX))

    @member_view
    @require_safe
    def docs(request: PersonRequest) -> HttpResponse:
        """The same as a page."""
        return render(request, "api/docs.html", {"groups": groups(api.get_openapi_schema(path_prefix=PREFIX))})

    return [path("openapi.json", openapi, name="api_openapi"), path("docs", docs, name="api_docs")]


def groups(schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The functions by their tags, each with what goes in and what comes out, as the page shows them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for address, methods in schema["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append(
                {
                    "method": method.upper(),
                    "address": address,
                    "name": operation["operationId"],
                    "summary": operation["summary"],
                    "text": operation.get("description", ""),
                    "role": operation["x-role"],
                    "parameters": operation["parameters"],
                    "body": _fields(schema, _json(operation.get("requestBody", {}))),
                    "answer": _answer(schema, operation["responses"]),
                }
            )
    return found


def _answer(schema: dict[str, Any], responses: dict[Any, Any]) -> list[tuple[str, str, str]]:
    for status, response in responses.items():
        if str(status).startswith("2"):
            return _fields(schema, _json(response))
    return []


def _json(part: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = part.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _fields(schema: dict[str, Any], of: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, type and description of each field."""
    resolved = _resolved(schema, of)
    return [
        (name, _type(schema, each), each.get("description", ""))
        for name, each in resolved.get("properties", {}).items()
    ]


def _resolved(schema: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    name = of.get("$ref", "").rpartition("/")[2]
    return schema["components"]["schemas"][name] if name else of


def _type(schema: dict[str, Any], of: dict[str, Any]) -> str:
    if "$ref" in of:
        return f"{{{', '.join(_resolved(schema, of).get('properties', {}))}}}"
    if "anyOf" in of:
        return " or ".join(_type(schema, each) for each in of["anyOf"])
    if of.get("type") == "array":
        return f"list of {_type(schema, of.get('items', {}))}"
    if "enum" in of:
        return " | ".join(str(each) or "(empty)" for each in of["enum"])
    return str(of.get("format") or of.get("type") or "anything")
