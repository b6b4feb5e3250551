from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "ffsweb.operations"
    label = "operations"
