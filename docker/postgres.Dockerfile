# PostgreSQL 17 of Debian trixie, for compose.yaml and the tests.
FROM debian:trixie-slim
COPY postgres.packages /tmp/
RUN apt-get update \
 && xargs apt-get install -y --no-install-recommends < /tmp/postgres.packages \
 && rm -rf /var/lib/apt/lists/* /tmp/postgres.packages /var/lib/postgresql/17
COPY postgres-start /usr/local/bin/
ENV PATH=/usr/lib/postgresql/17/bin:$PATH
USER postgres
VOLUME /var/lib/postgresql
CMD ["postgres-start"]
