from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """The fleet and what runs on it."""

    name = "deployments"

    def ready(self) -> None:
        """Tell the engine which function runs which kind of operation."""
        from deployments.execution import deploy, imports, small
        from ffsweb.operations import kinds

        kinds.register("deploy", deploy.deploy)
        kinds.register("read", small.read)
        kinds.register("enrol", small.enrol)
        kinds.register("control", small.control)
        kinds.register("journal", small.journal)
        kinds.register("import-image", imports.import_image)
        kinds.register("import-files", imports.import_project_files)
