"""The dashboard, the alert rules and docs/telemetry.md name what a client emits, and all of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

from scope_async import InvalidCredentialsError, ScopeClient
from scope_async.local import LocalScope
from scope_async.telemetry.otel import OpenTelemetryHook

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "observability"
RULES: list[dict[str, Any]] = yaml.safe_load((EXAMPLE / "alerts.yaml").read_text("utf-8"))["groups"][0][
    "rules"
]
DASHBOARD: dict[str, Any] = json.loads((EXAMPLE / "dashboard.json").read_text("utf-8"))
OF_THE_SCRAPE = {"job", "instance", "le"}

Emitted = dict[str, set[str]]


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    """What Prometheus would scrape from clients in trouble: names, each with its labels."""
    return asyncio.run(scrape((tmp_path_factory.mktemp("store") / "shared").as_uri()))


async def scrape(store: str) -> Emitted:
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    hook = OpenTelemetryHook(meter_provider=MeterProvider([reader]))
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        given = {"base_url": local.url, "auth_api_url": local.url, "clock": local.clock, "hooks": [hook]}
        async with ScopeClient(local.credentials, retry_base_delay=0.0, **given) as scope:
            await scope.get_prompt_version("greeting")
            local.clock.advance(1000)
            with local.faults.status("prompt", 503):
                await scope.get_prompt_version("greeting")
            with (
                local.faults.status("exchange", 401),
                local.faults.status("prompt", 401),
                pytest.raises(InvalidCredentialsError),
            ):
                await scope.get_prompt_version("greeting", label="latest", cache=False)
            for url in (store, store, "redis://127.0.0.1:1"):  # leads, takes over, and finds none
                async with ScopeClient(local.credentials, store_url=url, **given) as sharing:
                    await sharing.get_prompt_version("greeting")
            found: Emitted = {}
            for family in registry.collect():
                for sample in family.samples:
                    found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"][1:]:
        yield variable["name"], variable["definition"]


def test_expressions_name_what_a_client_emits(emitted: Emitted) -> None:
    for place, expression in expressions():
        metrics, labels = read(expression)
        assert metrics, place
        assert metrics <= emitted.keys(), place
        for name in metrics:
            assert labels - OF_THE_SCRAPE <= emitted[name], f"{place}: {name}"


def read(expression: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels of a PromQL expression."""
    text = re.sub(r'"[^"]*"', '""', expression)
    labels = {
        name
        for group in re.findall(r"\{([^}]*)\}|by \(([^)]*)\)", text)
        for name in re.findall(r"[a-z]\w*", " ".join(group))
    }
    if text.startswith("label_values("):
        name, label = re.findall(r"\w+", text)[1:]
        return {name}, {label}
    text = re.sub(r"\{[^}]*\}|by \([^)]*\)|\[[^\]]*\]", "", text)
    return set(re.findall(r"\b(?:scope|http)_\w+", text)), labels


def test_dashboard_shows_every_metric_of_ours(emitted: Emitted) -> None:
    shown = {name for place, expression in expressions() for name in read(expression)[0]}
    families = {
        re.sub(r"_(?:total|count|sum|bucket)$", "", name)
        for name in emitted
        if name.startswith(("scope", "http"))
    } - {name for name in emitted if name.endswith("_created")}
    assert families == {re.sub(r"_(?:total|count|sum|bucket)$", "", name) for name in shown}


def test_page_on_telemetry_has_every_metric(emitted: Emitted) -> None:
    page = (ROOT / "docs" / "telemetry.md").read_text("utf-8")
    listed = {
        name.replace(".", "_") for name in re.findall(r"^\| `((?:scope|http)\.[\w.]+)`", page, re.MULTILINE)
    }
    families = {
        re.sub(r"(?:_seconds)?(?:_total|_count|_sum|_bucket)?$", "", name)
        for name in emitted
        if name.startswith(("scope", "http"))
    }
    assert listed == families


def test_rules_and_panels_can_be_imported() -> None:
    for rule in RULES:
        assert rule.keys() >= {"alert", "expr", "labels", "annotations"}
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in [panel["gridPos"]["y"]]
    ]
    assert len(cells) == len(set(cells)), "panels do not overlap"
    assert max(x for x, _ in cells) < 24
