# docker build -t encoder-benchmark .
# docker run --rm -v "$PWD/runs:/project/runs" encoder-benchmark run --methods random,state --envs pusht --policies knn
# On a GPU: docker run --gpus all ... ; without one the image needs no CUDA: docker build --build-arg TORCH=cpu ...
FROM python:3.11-slim
ARG TORCH=auto
RUN apt-get update && apt-get install -y --no-install-recommends git build-essential libegl1 libgl1-mesa-dri libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /project
COPY . .
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend "$TORCH" --constraint constraints.txt --editable ".[dev]"
ENTRYPOINT ["python", "-m", "benchmark"]
CMD ["--help"]
