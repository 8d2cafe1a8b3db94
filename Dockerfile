# Stage 1 has a compiler and leaves behind one virtual environment.
FROM python:3.13-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The packages first: they change less often than the code, so this layer is kept.
COPY constraints.txt ./
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --no-deps -r constraints.txt
COPY . .
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /opt/rsx \
    && /opt/rsx/bin/pip install --no-cache-dir -c constraints.txt /wheels/*.whl \
    && /opt/rsx/bin/pip uninstall --yes pip

# Stage 2 is what runs.
FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin rsx \
    && install -d -o rsx -g rsx -m 0750 /data
COPY --from=build /opt/rsx /opt/rsx
COPY --from=build /src/LICENSE /usr/share/doc/rsx/LICENSE
ENV PATH=/opt/rsx/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER rsx
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["rsx"]
# The program's own default is 127.0.0.1, which nothing outside the container could reach.
CMD ["run", "--host", "0.0.0.0", "--port", "8080", "--data", "/data"]
