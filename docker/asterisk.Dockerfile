# Asterisk 22 LTS of Debian sid. The configuration is mounted: ops/machine/instance.py adds to the operators' dialplan/.
FROM debian:sid-slim
# To pin the day: MIRROR names a snapshot archive with its date, and the mirror of the base image is not used.
ARG MIRROR=
ARG SNAPSHOT=
COPY asterisk.packages /tmp/
RUN if [ -n "$SNAPSHOT" ]; then \
      [ -n "$MIRROR" ] || { echo "SNAPSHOT=$SNAPSHOT needs MIRROR=<a snapshot archive>" >&2; exit 1; }; \
      rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; \
      echo "deb [check-valid-until=no] $MIRROR/$SNAPSHOT sid main" > /etc/apt/sources.list; \
    fi \
 && apt-get update \
 && xargs apt-get install -y --no-install-recommends < /tmp/asterisk.packages \
 && rm -rf /var/lib/apt/lists/* /tmp/asterisk.packages
COPY healthy with-clean-log /usr/local/bin/
# Calls in progress are hung up at once.
STOPSIGNAL SIGTERM
CMD ["asterisk", "-f"]
