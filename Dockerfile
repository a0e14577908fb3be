# Built from what `./dev package` leaves in dist/:
#   docker build --build-arg="PACKAGE_TAG=${JOB_ENGINE_VERSION}" --tag job-engine .
#   docker run --publish 8080:8080 --volume job-engine:/data job-engine
FROM python:3.13-slim

ARG PACKAGE_TAG
# "job-lite": executors load only actions that a NuvlaEdge may run.
ARG IMAGE_NAME=""

# Actions start programs: tini collects those that outlive their job.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*

# Requirements first: a new version of the engine alone then reuses their layer.
COPY dist/requirements.txt /tmp/
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt
COPY dist/job_engine-${PACKAGE_TAG}-py3-none-any.whl /tmp/
RUN pip install --no-cache-dir --no-deps /tmp/job_engine-${PACKAGE_TAG}-py3-none-any.whl && rm /tmp/*.whl /tmp/requirements.txt

# Nuvla's names of the programs, with its defaults.
COPY deploy/app/ /app/

# The data outlives the container. A volume made new takes this folder's owner.
RUN useradd --uid 1000 --create-home job-engine && install --directory --owner job-engine --mode 0700 /data
USER job-engine
ENV JOB_ENGINE_DATA=/data IMAGE_NAME=${IMAGE_NAME} PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8080

# Docker waits ten seconds by default; the engine lets running jobs finish for up to 120: docker stop --time 130.
STOPSIGNAL SIGTERM
# An engine with a failed import or an unknown action is not ill; one that does not answer is.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s \
    CMD ["/app/healthy"]

# job-engine COMMAND ..., or, as in Nuvla's image, any program: -- /app/job_executor.py --zk-hosts ...
ENTRYPOINT ["tini", "--", "/app/entrypoint"]
CMD ["up", "--host", "0.0.0.0"]
