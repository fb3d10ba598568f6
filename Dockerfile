# An image that runs one command of meshtui, for CronJobs and pipelines: see docs/guide/verify.md.
FROM docker.io/library/python:3.13-slim AS build
COPY . /src
# The versions of the lock; the sandbox's and the tests' packages stay out.
RUN sed -n 's/ *\\$//; /^[A-Za-z0-9]/p' /src/requirements.lock > /tmp/constraints.txt \
 && python -m venv /opt/meshtui \
 && /opt/meshtui/bin/pip install --no-cache-dir --constraint /tmp/constraints.txt /src

FROM docker.io/library/python:3.13-slim
COPY --from=build /opt/meshtui /opt/meshtui
ENV PATH=/opt/meshtui/bin:$PATH HOME=/tmp
USER 65532:65532
ENTRYPOINT ["meshtui"]
CMD ["--help"]
