# Anxin's services in one image: `docker run anxin ingest`, `... api`. The database and the broker run elsewhere.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/anxin
COPY requirements.lock ./
RUN /opt/anxin/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml LICENSE README.md anxin.py ./
COPY alerts ./alerts
COPY api ./api
COPY commands ./commands
COPY data ./data
COPY ingest ./ingest
COPY models ./models
COPY simulators ./simulators
RUN /opt/anxin/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
# ANXIN_HOME holds the push keys: a volume that api and notify share.
RUN useradd --system --uid 10001 --create-home anxin && install -d -o anxin -m 700 /var/lib/anxin
COPY --from=build /opt/anxin /opt/anxin
USER anxin
ENV ANXIN_LOG_FORMAT=json ANXIN_HTTP_HOST=0.0.0.0 ANXIN_HOME=/var/lib/anxin
EXPOSE 8737
ENTRYPOINT ["/opt/anxin/bin/anxin"]
CMD ["--help"]
