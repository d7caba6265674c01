# Kamailio of Debian trixie, for proxy.yaml. The configuration is mounted.
FROM debian:trixie-slim
COPY kamailio.packages /tmp/
RUN apt-get update \
 && xargs apt-get install -y --no-install-recommends < /tmp/kamailio.packages \
 && rm -rf /var/lib/apt/lists/* /tmp/kamailio.packages
COPY healthy /usr/local/bin/
STOPSIGNAL SIGTERM
CMD ["kamailio", "-DD", "-E"]
