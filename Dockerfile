# lossd and lossctl on Debian slim: non-root, nothing written to disk, no shell needed.
#
#   docker build --tag lossd .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges -p 50051:50051 -p 9464:9464 lossd
#
# scripts/image does this and checks the result.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
# The packages first: this layer stays while sources change. Their list stands in scripts/setup alone.
COPY scripts/lib.sh scripts/setup scripts/
RUN scripts/setup --only build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DLOSSD_BUILD_TESTS=OFF -DLOSSD_BUILD_BENCHMARKS=OFF \
 && cmake --build --preset release --target lossd lossctl \
 && install -D --strip --mode=755 --target-directory=/out/usr/local/bin build/release/bin/lossd build/release/bin/lossctl \
 && install -D --mode=644 LICENSE /out/usr/share/doc/lossd/copyright

FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libgrpc++1.51 libhwy1 libprometheus-cpp-core1.0 libprometheus-cpp-pull1.0 libprotobuf32 libspdlog1.10 libtbb12 \
      libtcmalloc-minimal4 > /dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig /var/log/*
COPY --from=build /out /
# Fails the build, not the first start, where a library that the binaries need is missing from the list above.
RUN ! ldd /usr/local/bin/lossd /usr/local/bin/lossctl | grep "not found"

# A number, so that Kubernetes' runAsNonRoot can tell.
USER 65532:65532
WORKDIR /
# Every flag of lossd can be set like this: LOSSD_ and the flag's name in capitals. LOSSD_ADDRESS is where lossctl calls:
# it goes with the port of LOSSD_LISTEN_ADDRESS.
ENV LOSSD_LISTEN_ADDRESS=0.0.0.0:50051 \
    LOSSD_METRICS_ADDRESS=0.0.0.0:9464 \
    LOSSD_ADDRESS=127.0.0.1:50051
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/local/bin/lossctl", "check"]
ENTRYPOINT ["/usr/local/bin/lossd"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="lossd" \
      org.opencontainers.image.description="Loss functions and their gradients as a gRPC service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="debian:bookworm-slim"
