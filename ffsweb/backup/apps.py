from django.apps import AppConfig


class BackupConfig(AppConfig):
    name = "ffsweb.backup"
    label = "backup"

    def ready(self) -> None:
        """Say what is counted and looked at."""
        from ffsweb.doctor import findings
        from ffsweb.web import metrics

        from . import doctor
        from .metrics import backups

        metrics.register(backups)
        for check in doctor.checks():
            findings.register(check)
