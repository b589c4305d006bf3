from __future__ import annotations

import asyncio
import contextvars
import logging
import subprocess
import sys
import textwrap

import anyio
import pytest

from scope_async._core.concurrency.background import Background

request_id = contextvars.ContextVar("request_id", default="none")


class Resident:
    """A task that never returns, and what became of it."""

    def __init__(self) -> None:
        self.starts = self.ends = 0
        self.running = asyncio.Event()

    async def __call__(self) -> None:
        self.starts += 1
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running.clear()
            self.ends += 1


def runner_task() -> asyncio.Task[None]:
    """Return the task that a leak-hunting application may find and kill."""
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "scope-async")
    return task


async def test_start_is_idempotent(background) -> None:
    resident = Resident()
    background.add_service(resident)
    background.start()
    background.start()
    await resident.running.wait()
    assert resident.starts == 1
    assert background.running


async def test_services_end_at_aclose_and_run_again_after_start(background) -> None:
    resident = Resident()
    background.add_service(resident)
    for times in (1, 2):
        background.start()
        await resident.running.wait()
        await background.aclose()
        assert not background.running
        assert (resident.starts, resident.ends) == (times, times)


async def test_aclose_without_start_does_nothing(background) -> None:
    await background.aclose()
    assert not background.running


async def test_aclose_before_the_first_step(background) -> None:
    resident = Resident()
    background.add_service(resident)
    background.start()
    await background.aclose()
    assert not background.running
    assert resident.starts == resident.ends


async def test_aclose_twice_and_concurrently(background) -> None:
    resident = Resident()
    background.add_service(resident)
    background.start()
    await resident.running.wait()
    await asyncio.gather(*(background.aclose() for _ in range(5)))
    await background.aclose()
    assert resident.ends == 1


async def test_aclose_in_another_task_than_start(background) -> None:
    resident = Resident()
    background.add_service(resident)

    async def open_it() -> None:
        background.start()
        await resident.running.wait()

    await asyncio.create_task(open_it())
    assert background.running
    await asyncio.create_task(background.aclose())
    assert resident.ends == 1


async def test_aclose_in_the_order_of_start() -> None:
    first, second = Background(), Background()
    first.start()
    second.start()
    await first.aclose()
    assert second.running
    await second.aclose()


async def test_cancelled_aclose_leaves_the_rest_to_the_next_one(background) -> None:
    release = asyncio.Event()
    ended = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with anyio.CancelScope(shield=True):
                await release.wait()
            ended.set()

    background.spawn(slow_to_end)
    await asyncio.sleep(0.01)
    close = asyncio.create_task(background.aclose())
    await asyncio.sleep(0.01)
    close.cancel()
    await asyncio.wait({close})
    assert close.cancelled()
    assert not ended.is_set()
    release.set()
    await background.aclose()
    assert not background.running


async def test_aclose_gives_up_a_task_that_does_not_end_with_a_warning(background, caplog) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    background.spawn(stubborn)
    await asyncio.sleep(0.01)
    runner = runner_task()
    with caplog.at_level(logging.WARNING):
        await background.aclose(grace=0.01)
    assert "did not end within" in caplog.text
    assert not background.running
    release.set()
    await asyncio.wait({runner})


async def test_spawn_starts_it(background) -> None:
    done = asyncio.Event()

    async def work(word: str) -> None:
        assert word == "now"
        done.set()

    background.spawn(work, "now")
    await done.wait()
    assert background.running


@pytest.mark.parametrize("started", [False, True])
async def test_spawn_runs_in_an_empty_context(background, started) -> None:
    request_id.set("r-1")
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def look() -> None:
        seen.set_result(request_id.get())

    if started:
        background.start()
        await asyncio.sleep(0.01)
    background.spawn(look)
    assert await seen == "none"


@pytest.mark.parametrize("steps", [0, 1, 5])
async def test_cancelled_task_is_noticed_and_started_anew(background, steps) -> None:
    ends: list[str] = []
    resident = Resident()
    background.add_service(resident)
    background.on_stopped(lambda: ends.append("ended"))
    background.start()
    for _ in range(steps):
        await asyncio.sleep(0)
    cancelled = runner_task()
    cancelled.cancel()
    assert not background.running
    await asyncio.wait({cancelled})
    assert ends == ["ended"]
    background.start()
    await resident.running.wait()
    assert background.running
    await background.aclose()
    assert ends == ["ended"] * 2


async def test_start_right_after_a_cancellation(background) -> None:
    resident = Resident()
    background.add_service(resident)
    background.start()
    await resident.running.wait()
    cancelled = runner_task()
    cancelled.cancel()
    background.start()
    assert background.running
    await asyncio.wait({cancelled})
    # The end of the old task must not take the new one with it.
    assert background.running
    await background.aclose()
    assert resident.starts == resident.ends


@pytest.mark.parametrize(
    "error", [RuntimeError("a mistake"), RecursionError("a mistake"), BaseException("a panic")]
)
async def test_failing_task_is_logged_and_leaves_its_siblings_alone(background, caplog, error) -> None:
    async def fail() -> None:
        raise error

    ends: list[str] = []
    siblings: list[str] = []
    gate = asyncio.Event()

    async def sibling(name: str) -> None:
        await gate.wait()
        siblings.append(name)

    async def service() -> None:
        await sibling("service")

    background.add_service(fail)
    background.add_service(service)
    background.on_stopped(lambda: ends.append("ended"))
    background.spawn(sibling, "before")
    background.spawn(fail)
    await asyncio.sleep(0)
    background.spawn(fail)
    background.spawn(sibling, "after")
    for _ in range(5):
        await asyncio.sleep(0)
    assert background.running
    assert ends == []
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(siblings) == ["after", "before", "service"]
    assert caplog.text.count("a background task of a client failed") == 3
    await background.aclose()
    assert ends == ["ended"]


async def test_on_stopped_calls_back_once(background) -> None:
    ends: list[str] = []
    background.on_stopped(lambda: ends.append("ended"))
    background.start()
    await background.aclose()
    await background.aclose()
    await asyncio.sleep(0)
    assert ends == ["ended"]


async def test_aclose_may_be_called_by_a_task_of_its_own(background) -> None:
    async def close() -> None:
        await background.aclose()

    background.spawn(close)
    await asyncio.wait({runner_task()})
    assert not background.running


def test_ensure_starts_anew_in_another_event_loop(new_loop) -> None:
    background = Background()
    starts = []

    async def resident() -> None:
        starts.append(asyncio.get_running_loop())
        await asyncio.Event().wait()

    background.add_service(resident)

    async def use() -> None:
        background.start()
        await asyncio.sleep(0.01)
        assert background.running

    for _ in range(2):  # without a close: the loop cancels what is left, as asyncio.run does
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(use())
    assert len(set(starts)) == 2


def test_aclose_in_another_event_loop_does_not_wait_for_the_first(new_loop) -> None:
    background = Background()

    async def start() -> None:
        background.start()

    for step in (start, background.aclose):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(step())


def test_ensure_starts_anew_in_a_forked_child() -> None:
    # In a process of its own: forking one with threads, as a test worker has, is not safe.
    script = """
        import asyncio, gc, os
        from scope_async._core.concurrency.background import Background

        background, ends, starts = Background(), [], []

        async def resident():
            starts.append(os.getpid())
            try:
                await asyncio.Event().wait()
            finally:
                ends.append(os.getpid())

        background.add_service(resident)
        background.on_stopped(lambda: None)

        async def use():
            background.start()
            await asyncio.sleep(0.01)
            assert starts[-1] == os.getpid() and background.running

        async def in_the_child():
            assert not background.running
            await use()
            await background.aclose()
            gc.collect()
            assert ends == [os.getpid()], "the parent's tasks ended in the child"

        async def main():
            await use()
            pid = os.fork()
            if pid == 0:
                try:
                    asyncio.run(in_the_child())
                except BaseException:
                    import traceback
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert background.running and not ends
            await background.aclose()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
