"""Who watches a service: what was chosen for it, or what its image has."""

from __future__ import annotations

import re

from deployments.core.quadlet import Mode
from deployments.core.supervision import Detected, ImageTraits, Interpreter, detect, unfit
from deployments.oci.imageconfig import ImageConfig

from .content import Image
from .service import Service, Supervision

_VERSION = re.compile(r"python(\d+)\.(\d+)\Z")


def traits_of(image: Image) -> ImageTraits:
    """What of an image decides how it can be watched."""
    config = ImageConfig.from_json(image.config)
    found = _VERSION.search(image.python)
    return ImageTraits(
        health_check=config.healthcheck is not None and config.healthcheck.active,
        labels=dict(config.labels),
        interpreter=Interpreter(image.python, (int(found[1]), int(found[2]))) if found else None,
        command=(*config.entrypoint, *config.cmd),
    )


def detected(image: Image) -> Detected:
    """The mode that *automatic* takes for ``image``, and why."""
    return detect(traits_of(image))


def supervision_of(service: Service, image: Image) -> Detected:
    """The mode in which ``service`` runs ``image``, and why, in a sentence for pages."""
    if service.supervision == Supervision.AUTO:
        return detected(image)
    return Detected(Mode(service.supervision), "It was chosen for this service.")


def unfit_for(mode: Mode, image: Image) -> str:
    """Why ``image`` cannot run in ``mode``; "" if it can."""
    return unfit(mode, traits_of(image)) or ""
