# The phone door and the web door. Built in two steps by ops/machine/app_image.py: `python` makes the wheels, outside of the
# build, where the host's certificates and index settings hold; the last stage installs them without any network.
FROM debian:trixie-slim AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates espeak-ng ffmpeg python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*

FROM python
COPY wheels /tmp/wheels
COPY requirements.txt /tmp/
RUN python3 -m venv /opt/innringing \
 && /opt/innringing/bin/pip install -q --no-index --no-deps /tmp/wheels/*.whl \
 && rm -rf /tmp/wheels /tmp/requirements.txt \
 && useradd --system --uid 10001 --home-dir /srv/innringing innringing
COPY source /srv/innringing
WORKDIR /srv/innringing
ENV PATH=/opt/innringing/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER innringing
ENTRYPOINT ["python", "-m", "innringing"]
