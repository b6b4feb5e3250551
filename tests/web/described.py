"""A project with nodes and services for the tests of pages, made by the same services as the pages use."""

from __future__ import annotations

from ffsweb.accounts.models import Project, User
from tests.deployments.fleet import Fleet


class Described(Fleet):
    """The fleet of a project and an admin who are there already."""

    def __init__(self, project: Project, alice: User) -> None:
        self.project, self.alice = project, alice
