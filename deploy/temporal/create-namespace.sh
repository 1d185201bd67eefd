#!/bin/sh
# Makes the namespace TEMPORAL_NAMESPACE, or raises its retention. Workflow ids are free again once it is over, so it
# must not be shorter than retention.idempotencyHours (7 days at most).
set -eu

retention=7d

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
else
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
fi
