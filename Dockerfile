# The product's image: every process runs from it, each with its own command (docs/howto/deploy.md).
# hadolint global ignore=DL3042
FROM python:3.13.11-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
# Without the embedded PostgreSQL and Valkey, which only `make run` starts.
RUN sed '/^# the embedded/,/^$/d' requirements.txt > product.txt \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r product.txt \
    && find /venv -name __pycache__ -prune -exec rm -rf {} +
# Modes come along, and a checkout may be its owner's alone: the image's user is another.
COPY . .
RUN /venv/bin/python manage.py collectstatic --no-input \
    && /venv/bin/python -m compileall -q /venv/lib rudderproj ingest destinations alerts \
    && chmod -R a+rX .

FROM python:3.13.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin rudderproj \
    && install -d -o 10001 -g 10001 /data /data/lives /data/run
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8080
# The guard is the first process: it passes signals on and notes how its process ended.
HEALTHCHECK NONE
CMD ["python", "-m", "rudderproj.guard", "--role", "web", "--", "python", "-m", "rudderproj.server"]
