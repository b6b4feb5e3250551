"""Variants of the sample's image, one for each way in which a service can be watched: what its Containerfile adds."""

from __future__ import annotations

import hashlib

from deployments.nodekit.supervisor.onefile import source

OWN = 'LABEL org.ffsweb.supervision="own"\n'
"""It tells systemd itself how it is."""

NONE = """\
USER 0:0
RUN ["/usr/bin/python3.13", "-c", "import os; os.rename('/usr/bin/python3.13', '/usr/bin/runs-it'); os.unlink('/usr/bin/python3')"]
USER 1600:1600
ENTRYPOINT ["/usr/bin/runs-it", "/app/sample/app.py"]
"""
"""It has no Python that anybody would find: what runs the application has another name."""

_ASK = "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=2); c.request('GET', '/healthz'); assert c.getresponse().status == 200"
HEALTH = f"""\
{NONE}HEALTHCHECK --interval=2s --timeout=4s --start-period=1s --retries=2 CMD ["/usr/bin/runs-it", "-c", "{_ASK}"]
"""
"""The same with a health check, which OCI's form of images has no place for: it is built in Docker's."""

CARRIED = """\
COPY supervisor.py /app/supervisor.py
ENTRYPOINT ["/usr/bin/python3", "/app/supervisor.py", "--sd-notify", "--", "/usr/bin/python3", "/app/sample/app.py"]
"""
"""It brings our supervisor along and runs it itself."""

VARIANTS = {"carried": CARRIED, "own": OWN, "health": HEALTH, "none": NONE}


def tag_of(version: str, variant: str) -> str:
    """The tag of a variant's image: another one for another supervisor in it."""
    known = (version, variant, hashlib.sha256(source()).hexdigest()[:12] if variant == "carried" else "")
    return "-".join(word for word in known if word)
