from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, projects and who may do what in them."""

    name = "ffsweb.accounts"
    label = "accounts"
