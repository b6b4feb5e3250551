"""``/projects/``: making and keeping projects, and their members."""

from __future__ import annotations

from django.urls import path

from .views import members, projects, tokens

app_name = "projects"

urlpatterns = [
    path("", projects.listing, name="list"),
    path("new/", projects.create, name="create"),
    path("<str:project>/edit/", projects.edit, name="edit"),
    path("<str:project>/remove/", projects.remove, name="remove"),
    path("<str:project>/members/", members.listing, name="members"),
    path("<str:project>/members/add/", members.add, name="member_add"),
    path("<str:project>/members/invite/", members.invite, name="member_invite"),
    path("<str:project>/members/links/<int:link>/withdraw/", members.withdraw, name="link_withdraw"),
    path("<str:project>/members/<str:username>/role/", members.change_role, name="member_role"),
    path("<str:project>/members/<str:username>/remove/", members.remove, name="member_remove"),
    path("<str:project>/tokens/", tokens.listing, name="tokens"),
    path("<str:project>/tokens/new/", tokens.create, name="token_new"),
    path("<str:project>/tokens/<int:token>/revoke/", tokens.revoke, name="token_revoke"),
]
