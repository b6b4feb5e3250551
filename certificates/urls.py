"""The addresses of the certificate inventory."""

from __future__ import annotations

from django.urls import path

from certificates.views import inventory

app_name = "certificates"

_P = "projects/<str:project>/certificates/"

urlpatterns = [
    path(_P, inventory.listing, name="list"),
    path(_P + "add/", inventory.add, name="add"),
    path(_P + "<int:certificate>/remove/", inventory.remove, name="remove"),
]
