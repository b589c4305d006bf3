"""Tests of how the benchmarks count and compare; CI runs the benchmarks themselves."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import aiohttp
import pytest

import scope_async.client
import scope_async.http.transport

pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
pytest.importorskip("pyperf", reason="pyperf is not installed")
pytest.importorskip("pyinstrument", reason="pyinstrument is not installed")

from benchmarks.__main__ import main
from benchmarks.harness.callgrind import counted
from benchmarks.harness.case import Case, timed_calls
from benchmarks.harness.environment import CpuTimes, installed
from benchmarks.harness.limited_service import limited_service
from benchmarks.harness.open_loop import LatencyRecorder, arrival_times, open_loop, open_loop_in_threads
from benchmarks.harness.result import Result, Spread, SuiteResult
from benchmarks.harness.stores import ALONE, FILE, NO_SERVER, missing_stores, store_urls
from benchmarks.harness.stub_server import server_process
from benchmarks.harness.timeline import Timeline
from benchmarks.registry import SUITES
from benchmarks.suites import instructions, load
from benchmarks.suites.instructions import worker as instructions_worker
from benchmarks.suites.micro import COMPARISONS, Comparison
from benchmarks.suites.micro import worker as micro_worker
from benchmarks.suites.prompts import outage as prompt_outage
from benchmarks.suites.request.profile import package
from benchmarks.suites.stores.latency import SHARED_PROMPT, Latencies
from benchmarks.suites.tokens.renewal import slowest_excluding
from scope_async.telemetry.events import SharedPromptTaken


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_arrival_times_repeat_and_keep_the_rate() -> None:
    table = arrival_times(100, 20)
    assert table == arrival_times(100, 20)
    assert table == sorted(table)
    assert len(table) == 2000
    assert table[-1] == pytest.approx(20, rel=0.1)


def test_latency_recorder_counts_from_when_a_request_was_due() -> None:
    clock = Clock()
    recorder = LatencyRecorder(clock)
    for number in range(1, 101):
        clock.now = number + 0.001 * number
        recorder.record(float(number))
    assert recorder.milliseconds() == pytest.approx([50, 99, 100, 100], rel=0.01)


async def test_open_loop_counts_a_stall_for_every_request_that_was_due() -> None:
    clock = Clock()
    recorder = LatencyRecorder(clock)

    async def request(due_at: float) -> None:
        if due_at == 0.0:
            clock.now = 1.0  # the loop stands still for a second
        recorder.record(due_at)

    await open_loop([0.0, 0.5, 0.75, 1.0], request, clock)
    p50, *_, longest = recorder.milliseconds()
    assert recorder.histogram.get_total_count() == 4
    assert longest == pytest.approx(1000, rel=0.01)
    assert p50 == pytest.approx(250, rel=0.01)


SLOW = Result.at_most("read", Spread(9, 9, 9), 2, floor="a dict")
RIGHT = Result.count("exchanges", 1, 1, unit="exchanges")
WRONG = Result.count("exchanges", 2, 1, unit="exchanges")


@pytest.fixture
def log_level() -> Iterator[None]:
    """Restore the log level, which the command changes for its process."""
    logger = logging.getLogger("scope_async")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.mark.usefixtures("log_level")
@pytest.mark.parametrize(("results", "code"), [([SLOW, RIGHT], 0), ([SLOW, WRONG], 1), (None, 1)])
def test_exit_code_depends_on_counts_and_not_on_times(results, code, monkeypatch, capsys) -> None:
    def suite(quick: bool) -> SuiteResult:
        assert quick
        if results is None:
            raise ModuleNotFoundError(name="hdrh")
        return SuiteResult(results)

    monkeypatch.setitem(SUITES, "made-up", suite)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "made-up", "--quick"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert ("wrong count: exchanges" in capsys.readouterr().err) is (results == [SLOW, WRONG])


def test_stolen_time_is_a_share_of_all_cpu_time(tmp_path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 10 5 5 30 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    before = CpuTimes.read(stat)
    stat.write_text("cpu  150 0 60 800 10 5 5 70 9 9\n")
    after = CpuTimes.read(stat)
    assert before == CpuTimes(total=1000, stolen=30)
    assert after is not None
    assert after.stolen_since(before) == pytest.approx(40.0)
    assert CpuTimes.read(tmp_path / "another system") is None


def test_stores_suite_says_when_there_is_no_redis_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with store_urls() as urls:
        assert list(urls) == [ALONE, FILE]
        assert missing_stores(urls) == [NO_SERVER]


def test_version_of_a_package_is_that_of_its_metadata_or_of_its_module(tmp_path, monkeypatch) -> None:
    (tmp_path / "no_distribution.py").write_text('__version__ = "1.2.3"')
    monkeypatch.syspath_prepend(tmp_path)
    assert installed("no-distribution") == "1.2.3"
    assert installed("aiohttp") == aiohttp.__version__
    assert installed("not-a-package") is None


async def test_limited_service_refuses_exchanges_above_its_limit_and_expired_tokens() -> None:
    async with (
        limited_service(lifetime=0.2, limit=1) as service,
        aiohttp.ClientSession(service.url) as session,
    ):
        async with session.post("/login") as reply:
            token = (await reply.json())["access_token"]
        async with session.post("/login") as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
        statuses = []
        while 401 not in statuses:
            async with session.get("/prompt", headers={"Authorization": f"Bearer {token}"}) as reply:
                statuses.append(reply.status)
        assert statuses[0] == 200
        assert (service.granted, service.refused) == (1, 1)


def test_store_latencies_have_percentiles_by_round() -> None:
    latencies = Latencies(rounds={SHARED_PROMPT: [[float(number) for number in range(1, 102)], [5.0, 5.0]]})
    assert latencies.percentile(SHARED_PROMPT, 50) == [51.0, 5.0]
    assert latencies.percentile(SHARED_PROMPT, 99) == [100.0, 5.0]
    for prompt in ("warm-up", "prompt-0", "prompt-1"):
        latencies(SharedPromptTaken(prompt=prompt, selector="production", age_ms=1.0))
    assert latencies.taken == 2


def test_comparison_takes_ratios_within_a_round() -> None:
    rounds = [{"ours": [2.0, 2.0], "floor": [1.0]}, {"ours": [20.0], "floor": [5.0]}]
    result = Comparison("ours", "floor", 2.5).result(rounds)
    assert result is not None
    assert result.quantity == Spread(3.0, 2.5, 3.5)
    assert result.reached is False
    assert Comparison("ours", "not installed").result(rounds) is None


def test_comparisons_are_of_existing_cases() -> None:
    compared = {name for comparison in COMPARISONS for name in (comparison.ours, comparison.other)}
    assert compared <= micro_worker.CASES.keys()


def test_case_is_unavailable_without_its_package() -> None:
    opened = micro_worker.CASES["peek()"].setup
    assert Case(opened).is_available
    assert Case(opened, "json.decoder").is_available
    assert not Case(opened, "not_a_package").is_available
    assert not Case(opened, "not_a_package.inside").is_available


async def test_timer_calls_as_often_as_asked() -> None:
    calls: list[None] = []
    assert await timed_calls(lambda: calls.append(None))(7) >= 0
    assert len(calls) == 7


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        (aiohttp.client.__file__, "aiohttp"),
        (asyncio.events.__file__, "asyncio and sockets"),
        (json.__file__, "standard library"),
        (scope_async.client.__file__, "scope_async, the client"),
        (scope_async.http.transport.__file__, "scope_async/http"),
        ("<built-in>", None),
        (None, None),
    ],
)
def test_profile_finds_the_package_of_a_file(path, owner) -> None:
    assert package(path) == owner


STUB_SDK = """
import json, os, urllib.request
from dataclasses import dataclass

@dataclass(frozen=True)
class ApiKeyCredentials:
    org_id: str
    api_key: str
    api_secret: str

class ScopeClient:
    def __init__(self, *, credentials, base_url, auth_api_url, cache_enabled=True):
        assert credentials.api_key and not cache_enabled
        self.base_url = base_url

    def get_prompt_version(self, name):
        url = f"{self.base_url}/api/v1/prompts/{name}/production"
        with urllib.request.urlopen(url) as reply:
            return json.load(reply)
"""


def test_load_client_runs_the_official_sdk_in_threads(tmp_path) -> None:
    """It is on no package index: a stub with its documented calls is imported instead."""
    (tmp_path / "scope_client.py").write_text(STUB_SDK)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with server_process() as url:
        command = [sys.executable, "-m", "benchmarks.suites.load.client", "official", url]
        command += ["--requests", "40", "--seconds", "0.2"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
        )
    found = json.loads(done.stdout)
    assert found["arrivals"] == found["answered"] > 0
    assert found["failed"] == 0


def test_load_suite_counts_lost_and_failed_requests() -> None:
    measured = {"speed": 1.0, "cpu": 1.0, "rate": 1.0, "memory": 1.0, "milliseconds": [1.0, 2.0, 3.0, 4.0]}
    rounds = [
        {**measured, "arrivals": 10, "answered": 9, "failed": 0},
        {**measured, "arrivals": 10, "answered": 10, "failed": 2, "milliseconds": [1.0, 2.0, 3.0, 9.0]},
    ]
    found = {result.name: result for result in load._of_kind("ours", rounds)}
    lost = found["ours: lost or failed"]
    assert (lost.measured, lost.reached) == ("3 requests", False)
    assert found["ours: latency, longest of all"].quantity == Spread.exactly(9.0)
    nothing = {**measured, "arrivals": 0, "answered": 0, "failed": 0}
    assert load._of_kind("ours", [nothing])[-1].reached is False, "nothing was measured"


def test_outage_suite_counts_attempts_that_come_too_early() -> None:
    assert prompt_outage._early([0.0, 0.6, 1.7, 3.8]) == 0
    assert prompt_outage._early([0.0, 0.4, 0.5]) == 2


def test_open_loop_in_threads_starts_requests_when_due() -> None:
    clock = Clock()
    started: list[tuple[float, float]] = []

    def sleep(seconds: float) -> None:
        clock.now += seconds

    def request(due_at: float) -> None:
        started.append((clock.now, due_at))

    open_loop_in_threads([0.5, 1.5, 3.0], request, clock, 1, sleep=sleep)
    assert started == [(0.5, 0.5), (1.5, 1.5), (3.0, 3.0)]


@pytest.mark.parametrize(("failed", "affected", "reached"), [(0, 1, True), (1, 1, False), (0, 0, False)])
def test_timeline_reaches_its_goal_only_if_the_fault_had_an_effect(
    failed: int, affected: int, reached: bool
) -> None:
    timeline = Timeline()
    timeline.points = [(0.5, 1.0), (1.5, 100.0), (2.5, 3.0)]
    timeline.bands = [(1.0, 2.0)]
    timeline.recorder.failed = failed
    counted, meanwhile = timeline.results("a fault", affected=affected)
    assert counted.reached is reached
    assert meanwhile.quantity == Spread.exactly(100.0)
    assert "otherwise 2.00" in meanwhile.detail
    assert timeline.longest == 100.0
    assert Timeline().results("nothing was asked", affected=1)[0].reached is False


def test_slowest_excluding_leaves_out_a_share() -> None:
    taken = [number / 1000 for number in range(1, 101)]
    assert slowest_excluding(0.0, taken) == 100
    assert slowest_excluding(0.01, taken) == 99


def test_instructions_suite_says_when_valgrind_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = SUITES["instructions"](True)
    assert result.results == []
    assert "valgrind" in result.missing[0]


def test_instructions_suite_has_a_case_for_each_of_its_names() -> None:
    assert {*instructions_worker.CASES, *instructions.IMPORTS} == set(instructions.NAMES)
    asyncio.run(instructions_worker.make_calls(instructions_worker.CASES["decoding"], 2, ""))


@pytest.mark.parametrize(
    ("count", "reached", "wrong"), [(100, True, False), (114, False, False), (116, False, True)]
)
def test_instructions_suite_allows_a_margin_above_its_limits(count: int, reached: bool, wrong: bool) -> None:
    limit = instructions.Limit("ours", "floor", goal=1.0, counted=1.1)
    result = instructions.result(limit, {"ours": count, "floor": 100})
    assert (result.reached, result.counted and not result.reached) == (reached, wrong)


def test_counted_block_is_nothing_without_valgrind() -> None:
    with counted():
        found = sum(range(10))
    assert found == 45
