"""The dashboard's addresses, with those of operations whether or not they are wired in."""

from django.urls import include, path

from ffsweb import urls

urlpatterns = [path("operations/", include("ffsweb.operations.urls")), *urls.urlpatterns]
