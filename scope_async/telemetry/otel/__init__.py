"""Spans and metrics by OpenTelemetry's conventions (extra `otel`)."""

try:
    from scope_async.telemetry.otel.hook import OpenTelemetryHook
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "OpenTelemetryHook needs the extra 'otel'; get it with: pip install 'scope-async[otel]'",
        name="scope_async.telemetry.otel",
    ) from None

__all__ = ["OpenTelemetryHook"]
