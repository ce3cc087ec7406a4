FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/operator.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/operator.txt
COPY operator operator
# The package is pure Python: its folder is all there is to install.
RUN cp -r operator/dynconfig "$(/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && printf '#!/venv/bin/python\nfrom dynconfig.cli import main\nmain()\n' > /venv/bin/dynconfig && chmod +x /venv/bin/dynconfig

FROM python:3.13-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532
ENTRYPOINT ["dynconfig"]
CMD ["run"]
