from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "ffsweb.audit"
    label = "audit"
