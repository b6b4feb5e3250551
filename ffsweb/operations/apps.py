from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "ffsweb.operations"
    label = "operations"

    def ready(self) -> None:
        """Say what Prometheus is told, and count what ends."""
        from ffsweb.doctor import findings
        from ffsweb.operations import doctor
        from ffsweb.operations.ending import end_hooks
        from ffsweb.operations.metrics import leases, operations
        from ffsweb.operations.metrics_history import history
        from ffsweb.operations.metrics_process import broker, streams
        from ffsweb.operations.tallies import count_end
        from ffsweb.web import metrics

        end_hooks.append(count_end)
        for check in doctor.checks():
            findings.register(check)
        for source in (operations, leases, history, streams, broker):
            metrics.register(source)
