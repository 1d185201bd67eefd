# A node: gateway and worker in one process. It needs a Temporal cluster (TEMPORAL_ADDRESS): the image holds no server.
# Debian, not Alpine: the native core of the Temporal SDK is built for glibc.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build
RUN npm prune --omit=dev \
  # The core comes for five platforms; one is needed. `uname -m` says x86_64 or aarch64, as the folders do.
  && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 \
    ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} + \
  && test -d "node_modules/@temporalio/core-bridge/releases/$(uname -m)-unknown-linux-gnu"

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
    HOLDFAST_HOME=/var/lib/holdfast \
    HOLDFAST_CONFIG=/etc/holdfast/holdfast.yaml
WORKDIR /app
# An empty named volume takes the owner of the folder it is mounted on.
RUN install -d -m 0700 -o node -g node /var/lib/holdfast
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
# Listens on 0.0.0.0 in the container, with authentication required: a node refuses one without the other.
COPY deploy/holdfast.yaml /etc/holdfast/holdfast.yaml
USER node
EXPOSE 4000
VOLUME /var/lib/holdfast
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=6 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4000/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# SIGTERM drains: calls in flight end before the process does.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["up"]
