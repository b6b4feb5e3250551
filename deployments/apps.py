from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """The fleet and what runs on it."""

    name = "deployments"
