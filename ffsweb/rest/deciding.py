"""What a program decides about an operation: cancel it, answer what it asks."""

from __future__ import annotations

from typing import Any

from ninja import Field, Router

from ffsweb.accounts.models import Role
from ffsweb.operations import answers, services
from ffsweb.operations.access import project_of
from ffsweb.operations.models import Operation
from ffsweb.web.problems import Problem

from .caller import Call
from .checking import Body
from .operation_shapes import OperationDetail, detail
from .rights import needs

router = Router(tags=["operations"])


class Answer(Body):
    """The answer to an open question."""

    question: str = Field(max_length=80, description="Its name.")
    choice: str = Field(max_length=20)


@router.post("/operations/{int:operation_id}/cancel", response=OperationDetail, summary="Cancel an operation")
@needs(Role.OPERATOR, of=project_of)
def cancel_operation(request: Call, operation_id: int) -> dict[str, Any]:
    """At once if it has done nothing yet, else as soon as its run notices. Again is the same as once."""
    try:
        services.cancel(request.operation, actor=request.user, request=request)
    except services.NotPossible as error:
        raise Problem(409, str(error)) from error
    return _now(operation_id)


@router.post("/operations/{int:operation_id}/answer", response=OperationDetail, summary="Answer a question")
@needs(Role.OPERATOR, of=project_of)
def answer_question(request: Call, operation_id: int, sent: Answer) -> dict[str, Any]:
    """Of two answers the first counts."""
    try:
        answers.answer(request.operation, sent.question, sent.choice, actor=request.user, request=request)
    except services.NotPossible as error:
        raise Problem(409, str(error)) from error
    return _now(operation_id)


def _now(operation_id: int) -> dict[str, Any]:
    return detail(Operation.objects.select_related("project").get(pk=operation_id))
