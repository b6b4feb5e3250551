# The image of web, worker, beat and of the one-off commands: ENTRYPOINT is ffs. Build it in a checkout:
#     podman build --tag ffsweb .      (or docker build; compose does it by itself)
# BASE is any image with Python 3.11 or later and apt; PACKAGES is what it lacks of the programs that ffsweb calls.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /opt/ffsweb
COPY .ci/venv .ci/
COPY pyproject.toml uv.lock README.md ./
# The dependencies are a layer of their own: a new version of ffsweb leaves it as it is.
RUN .ci/venv --no-dev --no-install-project --compile-bytecode
COPY manage.py ./
COPY templates templates
COPY certificates certificates
COPY deployments deployments
COPY ffsweb ffsweb
COPY docs/compose docs/compose
COPY docs/server docs/server
# Commands of Django's want keys and data; those of the build go with it. What they write is for their user alone.
RUN .ci/venv --no-dev --compile-bytecode \
    && FFSWEB_DATA=/tmp/build/data FFSWEB_KEYS=/tmp/build/keys .venv/bin/ffs manage collectstatic --no-input --verbosity 0 \
    && .venv/bin/python -m compileall -q manage.py certificates deployments ffsweb \
    && rm -rf var /tmp/build && chmod -R a+rX .

FROM ${BASE}
ARG PACKAGES="ca-certificates skopeo"
RUN if [ -n "$PACKAGES" ]; then \
        apt-get update -q && apt-get install -q -y --no-install-recommends $PACKAGES && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=build /opt/ffsweb /opt/ffsweb
# A new volume takes over owner and mode of the directory that it is mounted on first, if there is anything in that.
RUN for place in /data /backups /keys /web-keys /proxy-data /proxy-config; do \
        mkdir -m 0700 $place && touch $place/.ffsweb && chown -R 1600:1600 $place && chmod 0600 $place/.ffsweb; \
    done
ENV PATH=/opt/ffsweb/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FFSWEB_DATA=/data \
    FFSWEB_KEYS=/keys
USER 1600:1600
WORKDIR /data
ENTRYPOINT ["/opt/ffsweb/.venv/bin/ffs"]
CMD ["--watchdog"]
LABEL org.opencontainers.image.title="ffsweb" \
      org.opencontainers.image.description="A dashboard from which a fleet of Fedora CoreOS nodes is run"
