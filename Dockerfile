# The operator. Who makes releases gives the base image by digest: --build-arg PYTHON_IMAGE=python@sha256:…
ARG PYTHON_IMAGE=python:3.13.9-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/operator.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/operator.txt
# The packages are pure Python: their folders are all there is to install. The function's code is what the operator uploads.
COPY operator/dynconfig /src/dynconfig
COPY lambda_app/dynconfig_function /src/dynconfig_function
# Compiled here, since nothing is written at run time.
RUN packages="$(/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && cp -r dynconfig dynconfig_function "$packages" \
 && /venv/bin/python -m compileall -q "$packages/dynconfig" \
 && printf '#!/venv/bin/python\nfrom dynconfig.cli import main\nmain()\n' > /venv/bin/dynconfig && chmod +x /venv/bin/dynconfig

FROM ${PYTHON_IMAGE}
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["dynconfig"]
CMD ["run"]
