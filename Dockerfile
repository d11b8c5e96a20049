# The page on CPUs: non-root, and it writes to /tmp alone. docs/hosting.md explains the commands.
#   docker build -t reenact .          (PIP_ARGS="--index-url ..." takes torch from PyTorch's index of CPU builds)
#   docker run --read-only --tmpfs /tmp:size=4g --cap-drop ALL -p 7860:7860 reenact
FROM python:3.11-slim

ARG PIP_ARGS=""
WORKDIR /srv/reenact
COPY requirements.txt .
RUN pip install --no-cache-dir "torch>=2.8" ${PIP_ARGS} && pip install --no-cache-dir -r requirements.txt

COPY app.py .
COPY examples examples
COPY checkpoints checkpoints
COPY reenact reenact
RUN python -m compileall -q app.py reenact && useradd --uid 1000 --no-create-home reenact

ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 GRADIO_TEMP_DIR=/tmp/reenact HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
# as process 1 it receives SIGTERM itself, and lets runs end
CMD ["python", "app.py"]
