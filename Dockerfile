# docker build --tag xraygan .                            (CPU)
# docker build --tag xraygan:gpu --build-arg EXTRA=gpu .  (NVIDIA; run with --gpus all)
ARG PYTHON=3.12
FROM python:${PYTHON}-slim
ARG EXTRA=cpu
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m pip install --no-cache-dir ".[${EXTRA},dicom,onnx,track,web]"
RUN xraygan --version
WORKDIR /films
# Any user may run it: what libraries want to keep at home is of no use later.
ENV HOME=/tmp XRAYGAN_CACHE=/films/.xraygan-cache
ENTRYPOINT ["xraygan"]
CMD ["--help"]
