# PostgreSQL 17 of Debian trixie, for compose.yaml and the tests.
FROM debian:trixie-slim
COPY postgres.packages /tmp/
RUN apt-get update \
 && xargs apt-get install -y --no-install-recommends < /tmp/postgres.packages \
 && rm -rf /var/lib/apt/lists/* /tmp/postgres.packages /var/lib/postgresql/17
COPY postgres-start healthy /usr/local/bin/
ENV PATH=/usr/lib/postgresql/17/bin:$PATH
USER postgres
VOLUME /var/lib/postgresql
# The server ends its clients and writes all to disk. With SIGTERM it would wait for the clients, and be killed.
STOPSIGNAL SIGINT
CMD ["postgres-start"]
