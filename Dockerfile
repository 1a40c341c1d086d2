# One image for every service of the compose lab: Kafka, the registry, Flink, the producer and JupyterLab.
# Client and cluster are the same files, so they cannot drift apart. It needs no BuildKit.

FROM python:3.11-slim-bookworm AS build
# There is no apache-flink wheel for Linux on ARM: it is compiled there. The compiler stays in this stage.
RUN if [ "$(dpkg --print-architecture)" != amd64 ]; then \
        apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev; fi
# For a mirror: --build-arg PIP_INDEX_URL=… --build-arg LABKIT_MAVEN_MIRROR=…
ARG PIP_INDEX_URL
ARG LABKIT_MAVEN_MIRROR
WORKDIR /lab

# The same set-up as `make install`, in two layers: packages, then the Java parts. A lock file changes them, or what
# set-up itself is made of.
COPY requirements.txt ./
COPY labkit/setup/bootstrap.py labkit/setup/
COPY labkit/system/limits.py labkit/system/
RUN python3.11 labkit/setup/bootstrap.py --packages-only
COPY jars.lock pyproject.toml ./
COPY labkit/*.py labkit/
COPY labkit/system labkit/system
COPY labkit/setup labkit/setup
COPY labkit/flink labkit/flink
# What only set-up needs goes: pip, uv, the registry's archive (it is unpacked). Nobody can write compiled
# modules at run time, so they are made here: without them every Python worker starts seconds later.
RUN python3.11 labkit/setup/bootstrap.py \
    && .venv/bin/python -m compileall -q -j 0 .venv/lib \
    && rm -rf .venv/share/labkit/jars/registry .venv/bin/uv .venv/bin/uvx .venv/lib/python3.11/site-packages/pip

FROM python:3.11-slim-bookworm
# The containers run as the host's user (LAB_UID in .env), whose id the image cannot know. Whoever it is belongs
# to the group lab, and what has to be written belongs to that group; a new volume takes that over.
RUN groupadd --gid 1000 lab && useradd --uid 1000 --gid lab --create-home --home-dir /home/lab lab \
    && mkdir /lab && cd /lab \
    && mkdir -p .lab/log .lab/kafka/data .lab/flink/checkpoints .lab/flink/savepoints .lab/jupyter output notebooks exercises work \
    && chown -R root:lab .lab output work /home/lab && chmod -R 2775 .lab output work /home/lab \
    && chgrp lab /etc/passwd && chmod 664 /etc/passwd
ENV PATH=/lab/.venv/bin:$PATH HOME=/home/lab LANG=C.UTF-8 PYTHONUNBUFFERED=1
WORKDIR /lab
COPY --from=build /lab/.venv .venv
COPY jars.lock pyproject.toml LICENSE ./
COPY schemas schemas
COPY labkit labkit
RUN python -m compileall -q labkit
USER lab
ENTRYPOINT ["python", "-m", "labkit.lab.containers.entry"]
