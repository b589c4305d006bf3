"""Spans and metrics by OpenTelemetry's conventions (extra `otel`)."""

from scope_async.telemetry.otel.hook import OpenTelemetryHook

__all__ = ["OpenTelemetryHook"]
