# The TLS proxy of compose.yaml: Caddy with our Caddyfile, as an ordinary user.
ARG CADDY_IMAGE

FROM ${CADDY_IMAGE}
ARG CADDY_IMAGE
# A tag can be moved to another image, a digest cannot. The copy of the program has no right to low ports any more:
# without it a container that has given up all rights could not start it.
RUN { expr "$CADDY_IMAGE" : '.*@sha256:[0-9a-f]\{64\}$' >/dev/null \
        || { echo 'CADDY_IMAGE has no digest: run deploy/pin-images.sh' >&2; exit 1; }; } \
    && cp /usr/bin/caddy /usr/bin/caddy-plain && mv /usr/bin/caddy-plain /usr/bin/caddy \
    && chown -R 10002:10002 /config /data
COPY Caddyfile /etc/caddy/Caddyfile
ENV PERSONALQ_HTTP_PORT=8080 \
    PERSONALQ_HTTPS_PORT=8443
USER 10002:10002
EXPOSE 8080 8443
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 CMD ["nc", "-z", "127.0.0.1", "8443"]
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
