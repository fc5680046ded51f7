# htmrun in a container; without a command it runs the demo (docs/guides/container.md).
#   docker build -t htmrun .                          the processor
#   docker build -t htmrun:cuda --target cuda .       NVIDIA cards
#   docker run --rm -v "$PWD/runs:/work/runs" htmrun
FROM python:3.11-slim-bookworm AS base
# Debian keeps one version of make in a release: there is none to pin.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends make \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home htmrun \
 && install -d -o 1000 /htmrun /work /work/runs
USER 1000
WORKDIR /htmrun
# What `make install` needs: it sets everything up in .venv, torch in its CPU build first.
COPY --chown=1000 Makefile pyproject.toml README.md LICENSE ./
COPY --chown=1000 htmrun htmrun
COPY --chown=1000 conf conf
COPY --chown=1000 kernels kernels
RUN make install
ENV PATH=/htmrun/.venv/bin:$PATH
WORKDIR /work
ENTRYPOINT ["htmrun"]

# CuPy and NVRTC beside it; the driver comes from the host: docker run --gpus all ...
FROM base AS cuda
WORKDIR /htmrun
# pyproject.toml says which versions.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --editable '.[cuda12]'
WORKDIR /work
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
CMD ["train", "experiment=digits", "device=auto"]

FROM base AS cpu
CMD ["train", "experiment=digits"]
