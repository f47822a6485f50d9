# zimage in a container: docker build -t zimage .
# Only what the package is made of is copied: no key of the folder can get into a layer.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY completions completions
COPY zimage_cli zimage_cli
RUN python -m venv /opt/zimage
RUN /opt/zimage/bin/pip install --no-cache-dir '.[redis]'

FROM python:3.12-slim
COPY --from=build /opt/zimage /opt/zimage
ENV PATH="/opt/zimage/bin:$PATH"
# Pictures, journals and, with the history, all that a killed worker goes on from.
ENV ZIMAGE_HOME=/data/home
RUN install -d -o 1000 -g 1000 /data
USER 1000:1000
WORKDIR /data
VOLUME /data
ENTRYPOINT ["zimage"]
