# Engine, gateway, command line client and sandbox in one image; docker-compose.yml and deploy/kubernetes say which runs.
#
# By exact version and not by digest: a digest can't be looked up where this is developed, nor kept current from there.
# scripts/try_image.py does what this file says without Docker.
FROM python:3.13.18-slim-trixie AS build
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
# This stage's pip works on the environment from outside, so that there is none in the image.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes --no-deps -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY common common
COPY engine engine
COPY gateway gateway
COPY admin admin
COPY cli cli
COPY proto proto
# setuptools came with the lock, and only this step needs it.
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --no-build-isolation --no-index . \
    && pip --python /venv/bin/python uninstall --yes --quiet setuptools

FROM python:3.13.18-slim-trixie
LABEL org.opencontainers.image.title="Mailing Service" org.opencontainers.image.licenses="MIT"
RUN groupadd --system --gid 10001 mailing \
    && useradd --system --uid 10001 --gid mailing --no-create-home --home-dir /app mailing
WORKDIR /app
# For SQLite, and for secrets that are made at the first start.
RUN install -d -m 0700 -o 10001 -g 10001 /app/data
COPY --from=build /venv /venv
COPY scripts/__init__.py scripts/sandbox_provider.py scripts/sandbox_names.py scripts/
COPY scripts/sandbox scripts/sandbox
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
VOLUME /app/data
EXPOSE 50051 9101 8080
# The engine's. Who runs the gateway says its port: docker-compose.yml does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9101/healthz', timeout=2)"]
# `exec` form: SIGTERM reaches Python itself, which needs up to MAILING_SHUTDOWN_SECONDS.
ENTRYPOINT ["python", "-m", "engine"]
