# docker build -t wsiseg .                       for CPUs
# docker build -t wsiseg --target cuda .         for NVIDIA's GPUs
# docker run --rm -v "$PWD:/data" wsiseg segment /data/biopsy.svs -o /data/out/

FROM python:3.11-slim AS build
WORKDIR /src
# The image has no git to ask: docker build --build-arg VERSION=0.1.0 says which version it is.
ARG VERSION=""
COPY . .
RUN pip install --no-cache-dir -c constraints.txt build==1.6.1 \
    && SETUPTOOLS_SCM_PRETEND_VERSION_FOR_WSISEG="$VERSION" python -m build --wheel --outdir /wheels

FROM python:3.11-slim AS cuda
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/constraints.txt
# PyPI's PyTorch for Linux brings CUDA's libraries; the driver comes from the host.
RUN pip install --no-cache-dir -c /wheels/constraints.txt "$(echo /wheels/*.whl)[onnx,openvino,remote,train,nvidia]" \
    && useradd --uid 1000 --create-home wsiseg
USER 1000
WORKDIR /data
ENTRYPOINT ["wsiseg"]

FROM python:3.11-slim AS cpu
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/constraints.txt
RUN pip install --no-cache-dir -c /wheels/constraints.txt torch --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -c /wheels/constraints.txt "$(echo /wheels/*.whl)[onnx,openvino,remote,train]" \
    && useradd --uid 1000 --create-home wsiseg
USER 1000
WORKDIR /data
ENTRYPOINT ["wsiseg"]
