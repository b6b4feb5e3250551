from django.apps import AppConfig


class BackupConfig(AppConfig):
    name = "ffsweb.backup"
    label = "backup"
