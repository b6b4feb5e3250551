from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Certificates and access keys: material and policy. Knows no node."""

    name = "certificates"

    def ready(self) -> None:
        """Say what is mailed."""
        from certificates.services import doctor
        from certificates.services.alerts import KIND
        from certificates.services.digest_items import open_alerts
        from certificates.services.gap import KIND as GAP
        from certificates.services.metrics import inventory
        from ffsweb.doctor import findings
        from ffsweb.notify import digest, kinds
        from ffsweb.web import metrics

        metrics.register(inventory)
        for check in doctor.checks():
            findings.register(check)
        digest.sources.append(open_alerts)
        kinds.register(KIND)
        kinds.register(GAP)
