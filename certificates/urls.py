"""The addresses of the certificate inventory."""

from __future__ import annotations

from django.urls import path

from certificates.views import alerts, arrival, certificate, inventory, making, renewal

app_name = "certificates"

_P = "projects/<str:project>/certificates/"
_C = _P + "<int:certificate>/"
_R = _P + "requests/"

urlpatterns = [
    path("certificates/alerts/", alerts.fleet, name="all_alerts"),
    path(_P, inventory.listing, name="list"),
    path(_P + "inventory.csv", inventory.inventory_csv, name="csv"),
    path(_P + "alerts/", alerts.listing, name="alerts"),
    path(_P + "alerts/<int:alert>/acknowledge/", alerts.acknowledge, name="acknowledge"),
    path(_P + "alerts/<int:alert>/snooze/", alerts.snooze, name="snooze"),
    path(_P + "add/", arrival.add, name="add"),
    path(_P + "self-signed/", making.self_signed, name="self_signed"),
    path(_R + "new/", making.request_new, name="request_new"),
    path(_R + "<int:waiting>/", making.request_detail, name="request"),
    path(_R + "<int:waiting>/request.csr", making.request_csr, name="request_csr"),
    path(_R + "<int:waiting>/discard/", making.request_discard, name="request_discard"),
    path(_C, certificate.detail, name="detail"),
    path(_C + "label/", certificate.label, name="label"),
    path(_C + "chain.pem", certificate.chain, name="chain"),
    path(_C + "replace/", arrival.replace, name="replace"),
    path(_C + "renewal/", renewal.choose, name="renewal"),
    path(_C + "renewal/failed/", renewal.failed, name="renewal_failed"),
    path(_C + "renewal/anew/", renewal.count_anew, name="renewal_anew"),
    path(_C + "remove/", certificate.remove, name="remove"),
]
