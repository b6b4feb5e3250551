from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Certificates and access keys: material and policy. Knows no node."""

    name = "certificates"
