# The station without torch: some 500 MB, runs as an ordinary user, keeps everything in /var/lib/xray-triage.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements requirements
# "sign" instead: with what signs results.
ARG REQUIREMENTS=station
RUN python -m venv /opt/xray-triage \
    && /opt/xray-triage/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        -r requirements/build.txt -r requirements/$REQUIREMENTS.txt
COPY pyproject.toml README.md LICENSE ./
COPY dicom_router dicom_router
COPY xray_triage xray_triage
RUN /opt/xray-triage/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /opt/xray-triage /opt/xray-triage
ENV PATH=/opt/xray-triage/bin:$PATH XRAY_TRIAGE_CONFIG=/etc/xray-triage/station.toml
# Else local time is UTC in here; [station] timezone in station.toml comes before it.
ENV TZ=Asia/Ho_Chi_Minh
RUN useradd --system --uid 10001 --home-dir /var/lib/xray-triage xray \
    && mkdir -p /var/lib/xray-triage /etc/xray-triage \
    && chown xray /var/lib/xray-triage
USER xray
VOLUME /var/lib/xray-triage
EXPOSE 11112 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
CMD ["xray-triage", "serve"]
