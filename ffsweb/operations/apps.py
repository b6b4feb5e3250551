from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "ffsweb.operations"
    label = "operations"

    def ready(self) -> None:
        """Say what Prometheus is told."""
        from ffsweb.operations.metrics import operations
        from ffsweb.web import metrics

        metrics.register(operations)
