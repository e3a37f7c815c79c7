# The arena alone: llama.cpp models on the CPU, or any models behind endpoints (deploy/compose.yaml).
#   docker build -t paddock .
#   docker run -p 127.0.0.1:7860:7860 -v paddock:/data paddock
# With --build-arg TORCH=yes the engine "transformers" comes along, for `docker run --gpus all`.
FROM python:3.12-slim-bookworm

ARG TORCH=no
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# The wheel of llama.cpp is linked to OpenMP, which the slim image has not.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt requirements-torch.txt ./
RUN pip install -r requirements.txt \
    && if [ "$TORCH" = yes ]; then pip install -r requirements.txt -r requirements-torch.txt; fi

# Whatever is written goes to /data: the database, the voters' secret, downloaded weights.
RUN useradd --uid 1000 --create-home arena && mkdir /data && chown arena /data
COPY . .
USER arena
ENV ARENA_HOST=0.0.0.0 ARENA_DATA=/data ARENA_CACHE=/data/weights HF_HOME=/data/huggingface
VOLUME /data
EXPOSE 7860

# The slim image has no curl. 503 means that the database can't be used.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]

# SIGTERM lets running answers finish (ARENA_STOP_SECONDS, 10) and flushes votes: `docker stop --time 60`.
CMD ["python", "app.py"]
