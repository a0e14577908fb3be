# Two images, from what `./dev package` leaves in dist/; `./dev image` builds and tests both without Docker:
#   docker build --build-arg="PACKAGE_TAG=${JOB_ENGINE_VERSION}" --tag job-engine .
#   docker build --build-arg="PACKAGE_TAG=${JOB_ENGINE_VERSION}" --target job-lite --tag job-engine-lite .
# docs/image.md tells what is in each, and what each argument means.

# An image with Python and pip; for a build that can be repeated, name it by digest: python:3.13-slim@sha256:...
ARG BASE=python:3.13-slim


# --- What is installed with pip, in a virtual environment that the images copy. The secrets are for machines that
# reach PyPI in a way of their own: a pip.conf, and certificates that it may name (/run/secrets/certificates).
FROM ${BASE} AS python-lite
ARG PACKAGE_TAG=0.1.0
RUN python3 -m venv --without-pip /opt/job-engine
COPY dist/requirements.txt deploy/nuvla-requirements.lock /tmp/
# Requirements first: a new version of the engine alone then reuses their layer. --only-binary: nothing is compiled, so
# a platform for which somebody publishes no wheel is refused here. Edges keep no record: no PostgreSQL, no schemas.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=certificates \
    pip="python3 -m pip --python /opt/job-engine/bin/python --no-cache-dir --disable-pip-version-check" && \
    grep -v -e '^psycopg' -e '^jsonschema-rs' /tmp/requirements.txt >/tmp/lite.txt && \
    $pip install --only-binary=:all: --no-deps --requirement /tmp/lite.txt && \
    $pip install --only-binary=:all: --no-deps --require-hashes --requirement /tmp/nuvla-requirements.lock
COPY dist/job_engine-${PACKAGE_TAG}-py3-none-any.whl /tmp/
RUN pip="python3 -m pip --python /opt/job-engine/bin/python --no-cache-dir --disable-pip-version-check" && \
    $pip install --no-index --no-deps /tmp/*.whl && $pip check

FROM python-lite AS python
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=certificates \
    python3 -m pip --python /opt/job-engine/bin/python --no-cache-dir --disable-pip-version-check \
    install --only-binary=:all: --requirement /tmp/requirements.txt


# --- Helm, which Debian does not have: the address of its archive (get.helm.sh/helm-vX.Y.Z-linux-ARCH.tar.gz), and the
# SHA-256 that stands beside it. Without an address there is no Helm in the image.
FROM ${BASE} AS helm
ARG HELM_URL=""
ARG HELM_SHA256=""
COPY deploy/image/download.py /tmp/
RUN --mount=type=secret,id=certificates \
    if [ -e /run/secrets/certificates ]; then export SSL_CERT_FILE=/run/secrets/certificates; fi && \
    python3 /tmp/download.py "${HELM_URL}" "${HELM_SHA256}" helm /opt/helm


# --- What both images share.
FROM ${BASE} AS common
# Actions start programs: tini collects those that outlive their job. envsubst (gettext-base) is for Nuvla's actions.
RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf.d/99build \
    apt-get update && apt-get install --yes --no-install-recommends ca-certificates gettext-base tini && \
    apt-get clean && rm -rf /var/lib/apt/lists/*
# Nuvla's names of the programs, with its defaults.
COPY deploy/app/ /app/
# The data outlives the container. A volume made new takes this folder's owner and mode: any user of the group root,
# which a container's users are in unless told otherwise, may use it.
RUN useradd --uid 1000 --gid 0 --no-create-home --home-dir /tmp job-engine && \
    install --directory --owner job-engine --group 0 --mode 0770 /data
# HOME is for the programs that actions start: with /tmp they have one for every user, on a read-only root file system
# too. TINI_SUBREAPER: where something else is process 1, tini still collects.
ENV PATH=/opt/job-engine/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp JOB_ENGINE_DATA=/data JOB_ENGINE_HEALTH_DIR=/tmp/job-engine-health \
    PYTHONUNBUFFERED=1 TINI_SUBREAPER=1
VOLUME /data
EXPOSE 8080
# Docker waits ten seconds by default; the engine lets running jobs finish for up to 120: docker stop --time 130.
STOPSIGNAL SIGTERM
# An engine with a failed import or an unknown action is not ill; a part that does not answer is.
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s \
    CMD ["/app/healthy"]
# job-engine COMMAND ..., or, as in Nuvla's image, any program: -- /app/job_executor.py --zk-hosts ...
ENTRYPOINT ["tini", "--", "/app/entrypoint"]
CMD ["up", "--host", "0.0.0.0"]
ARG PACKAGE_TAG=0.1.0
ARG BASE
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="job-engine" \
      org.opencontainers.image.description="A durable job engine, with Nuvla's actions" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${PACKAGE_TAG}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE}"


# --- job-lite, for edges: executors load only the actions that a NuvlaEdge may run.
FROM common AS job-lite
# Of an edge with Docker; for one with Kubernetes: kubectl, and Helm.
ARG EDGE_PACKAGES="docker-cli docker-compose"
RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf.d/99build \
    apt-get update && apt-get install --yes --no-install-recommends ${EDGE_PACKAGES} && \
    apt-get clean && rm -rf /var/lib/apt/lists/*
COPY --from=helm /opt/helm/ /usr/local/bin/
COPY --from=python-lite /opt/job-engine /opt/job-engine
ENV IMAGE_NAME=job-lite
# A NuvlaEdge hands its Docker socket to the container, which makes it root of the edge whoever it is, and names neither
# a user nor the socket's group. Who can: --user 1000 --group-add "$(stat -c %g /var/run/docker.sock)".
USER root


# --- job: what replaces nuvla/job.
FROM common AS job
RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf.d/99build \
    apt-get update && apt-get install --yes --no-install-recommends docker-cli docker-compose git kubectl && \
    apt-get clean && rm -rf /var/lib/apt/lists/*
COPY --from=helm /opt/helm/ /usr/local/bin/
COPY --from=python /opt/job-engine /opt/job-engine
# "job-lite": executors load only what an edge may run, in this image too.
ARG IMAGE_NAME=job
ENV IMAGE_NAME=${IMAGE_NAME}
USER 1000
