# Built from what `./dev package` leaves in dist/:
#   docker build --build-arg="PACKAGE_TAG=${JOB_ENGINE_VERSION}" --tag job-engine .
#   docker run --publish 8080:8080 --volume job-engine:/data job-engine
FROM python:3.13-slim

ARG PACKAGE_TAG

# Requirements first: a new version of the engine alone then reuses their layer.
COPY dist/requirements.txt /tmp/
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt
COPY dist/job_engine-${PACKAGE_TAG}-py3-none-any.whl /tmp/
RUN pip install --no-cache-dir --no-deps /tmp/job_engine-${PACKAGE_TAG}-py3-none-any.whl && rm /tmp/*.whl /tmp/requirements.txt

# The data outlives the container. A volume made new takes this folder's owner.
RUN useradd --uid 1000 --create-home job-engine && install --directory --owner job-engine --mode 0700 /data
USER job-engine
ENV JOB_ENGINE_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8080

# Docker waits ten seconds by default; the engine lets running jobs finish for up to 120: docker stop --time 130.
STOPSIGNAL SIGTERM
# An engine with a failed import or an unknown action is not ill; one that does not answer is.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/api/status', timeout=5)"]

ENTRYPOINT ["job-engine"]
CMD ["up", "--host", "0.0.0.0"]
