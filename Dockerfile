# Engine, gateway, command line client and sandbox in one image; docker-compose.yml says which runs.
FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/run.txt requirements/run.txt
RUN /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY common common
COPY engine engine
COPY gateway gateway
COPY admin admin
COPY cli cli
COPY proto proto
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --no-index .

FROM python:3.13-slim
# Nobody's account, and a folder for SQLite that it owns.
RUN groupadd --system --gid 10001 mailing && useradd --system --uid 10001 --gid mailing --no-create-home mailing \
    && install -d /app && install -d -m 0700 -o mailing -g mailing /app/data
WORKDIR /app
COPY --from=build /venv /venv
COPY scripts/__init__.py scripts/sandbox_provider.py scripts/sandbox_names.py scripts/
COPY scripts/sandbox scripts/sandbox
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
VOLUME /app/data
# `exec` form: SIGTERM reaches Python itself, which needs up to MAILING_SHUTDOWN_SECONDS.
ENTRYPOINT ["python", "-m", "engine"]
