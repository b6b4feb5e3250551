from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "ffsweb.web"
    label = "web"
