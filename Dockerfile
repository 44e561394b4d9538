# docker build --tag xraygan .                            (CPU)
# docker build --tag xraygan:gpu --build-arg EXTRA=gpu .  (NVIDIA; run with --gpus all)
ARG PYTHON=3.12
FROM python:${PYTHON}-slim
ARG EXTRA=cpu
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m pip install --no-cache-dir ".[${EXTRA},dicom,onnx,track]"
RUN xraygan --version
WORKDIR /work
ENV XRAYGAN_CACHE=/work/.xraygan-cache
ENTRYPOINT ["xraygan"]
CMD ["--help"]
