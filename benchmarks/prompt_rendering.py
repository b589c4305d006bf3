"""What rendering costs, next to a `join` of the same parts."""

from __future__ import annotations

from collections.abc import Callable
from timeit import timeit

from anyio import to_thread

from benchmarks.interleaved import Figure, Measure, Spread, take_turns
from benchmarks.prompt_peers import langfuse, official_sdk
from benchmarks.prompt_server import VERSION, server_process
from scope_async import PromptVersion

NAMES = [f"variable_{number}" for number in range(50)]
TWICE = 2.0
OURS, FLOOR = "render", "join"


def nanoseconds(call: Callable[[], object], times: int) -> Measure:
    async def measure() -> float:
        return timeit(call, number=times) / times * 1e9

    return measure


async def two_variables(*, rounds: int, times: int) -> list[Figure]:
    """Return the figure of a short prompt, next to a join written by hand."""
    version = PromptVersion(name="greeting", content=str(VERSION["content"]))

    def by_hand(name: str, app: str) -> str:
        return "".join(("Hello, ", name, "! Welcome to ", app, "."))  # noqa: FLY002 - the floor that was agreed on

    measures = {
        FLOOR: nanoseconds(lambda: by_hand(name="Alice", app="Scope"), times),
        OURS: nanoseconds(lambda: version.render(name="Alice", app="Scope"), times),
        "render(mapping)": nanoseconds(lambda: version.render({"name": "Alice", "app": "Scope"}), times),
    }
    with server_process() as url:
        official, other = official_sdk(url), langfuse(url)
        if official is not None:
            theirs = await to_thread.run_sync(official.get_prompt_version, "greeting")
            measures["scope_client"] = nanoseconds(lambda: theirs.render(name="Alice", app="Scope"), times)
        if other is not None:
            prompt = await to_thread.run_sync(other.get_prompt, "greeting")
            measures["langfuse"] = nanoseconds(lambda: prompt.compile(name="Alice", app="Scope"), times)
        taken = await take_turns(measures, rounds)
    told = [f"{name} {Spread.of(values).show(0)} ns" for name, values in taken.items()]
    ratios = Spread.of_ratios(taken[OURS], taken[FLOOR])
    return [
        Figure.at_most("render(name=…, app=…)", ratios, TWICE, floor="a join by hand", detail=", ".join(told))
    ]


async def large_templates(*, rounds: int, times: int) -> list[Figure]:
    """Return the figures of 100 kB with 50 variables, and how rendering grows with size."""
    figures: list[Figure] = []
    taken = await take_turns(_large(100_000, times), rounds)
    for ours, floor, of in (
        ("mapping", "join", "a join of its parts"),
        ("keywords", "keywords and join", "a function of the same keywords that joins them"),
    ):
        ratios = Spread.of_ratios(taken[ours], taken[floor])
        detail = f"{Spread.of(taken[ours]).show(0)} ns, floor {Spread.of(taken[floor]).show(0)} ns"
        if ours == "keywords":
            detail += f"; {Spread.of_ratios(taken[ours], taken['join']).show()} x the join alone"
        figures.append(
            Figure.at_most(f"100 kB, 50 variables, {ours}", ratios, TWICE, floor=of, detail=detail)
        )
    ten_times = await take_turns(_large(1_000_000, max(1, times // 10)), rounds)
    growth = Spread.of_ratios(ten_times["mapping"], taken["mapping"])
    floor_growth = Spread.of_ratios(ten_times["join"], taken["join"])
    figures.append(
        Figure(
            "1 MB against 100 kB",
            "linear: grows as the join does",
            f"{growth.show()} x",
            reached=growth.median <= 1.5 * floor_growth.median,
            detail=f"the join itself {floor_growth.show()} x",
            quantity=growth,
            unit="x",
            floor="100 kB",
        )
    )
    return figures


def _large(size: int, times: int) -> dict[str, Measure]:
    # Every part is a string of its own, as in a template; one string 50 times would stay in the CPU's cache.
    literals = [f"{number:04}" * (size // len(NAMES) // 4) for number in range(len(NAMES))]
    values = dict.fromkeys(NAMES, "value")
    content = "".join(f"{text}{{{{{name}}}}}" for text, name in zip(literals, NAMES, strict=True))
    version = PromptVersion(name="large", content=content)
    parts = [part for text in literals for part in (text, "value")]

    def keywords_and_join(**_: str) -> str:
        return "".join(parts)

    return {
        "join": nanoseconds(lambda: "".join(parts), times),
        "mapping": nanoseconds(lambda: version.render(values), times),
        "keywords and join": nanoseconds(lambda: keywords_and_join(**values), times),
        "keywords": nanoseconds(lambda: version.render(**values), times),
    }
