from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """The fleet and what runs on it."""

    name = "deployments"

    def ready(self) -> None:
        """Tell the engine what runs each kind and what is called how, and the accounts when a project may not go."""
        from certificates.services.alerts import sources
        from deployments.execution import (
            convert,
            deploy,
            imports,
            prune,
            registry_pull,
            rotate_ssh_run,
            small,
            trouble_mail,
            upgrade,
        )
        from deployments.services import doctor
        from deployments.services.digest_items import troubled
        from deployments.services.guards import project_is_idle
        from deployments.services.holding import name_resources
        from deployments.services.metrics import image_store, nodes, served, services
        from deployments.services.push_news import KIND as PUSHES
        from deployments.services.served_subjects import subjects
        from ffsweb.accounts.projects import removal_guards
        from ffsweb.doctor import findings
        from ffsweb.notify import digest
        from ffsweb.notify import kinds as mail
        from ffsweb.operations import kinds
        from ffsweb.web import metrics

        for source in (served, services, nodes, image_store):
            metrics.register(source)
        for check in doctor.checks():
            findings.register(check)
        removal_guards.append(project_is_idle)
        name_resources()
        sources.append(subjects)
        digest.sources.append(troubled)
        mail.register(trouble_mail.SERVICE)
        mail.register(trouble_mail.NODE)
        mail.register(PUSHES)

        kinds.register("deploy", deploy.deploy)
        kinds.register(convert.KIND, convert.prepare)
        kinds.register("read", small.read)
        kinds.register("enrol", small.enrol)
        kinds.register("control", small.control)
        kinds.register("journal", small.journal)
        kinds.register(prune.KIND, prune.prune)
        kinds.register(upgrade.KIND, upgrade.upgrade)
        kinds.register(rotate_ssh_run.KIND, rotate_ssh_run.rotate)
        kinds.register(rotate_ssh_run.ACCESS_KIND, rotate_ssh_run.apply)
        kinds.register("import-image", imports.import_image)
        kinds.register("import-files", imports.import_project_files)
        kinds.register("pull-image", registry_pull.pull_image)
