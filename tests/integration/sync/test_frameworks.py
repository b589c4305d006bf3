"""The set-ups of docs/without-async.md, each in processes of its own: 160 calls, and what they cost."""

from __future__ import annotations

import ast
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.fakes.cli import clean_environment
from tests.fakes.threaded_scope import ThreadedScope, threaded_scope

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "without_async"
PROGRAMS = Path(__file__).parent / "programs"
CALLS = 160
LISTENING = re.compile(r"(?:Listening at:|running on) (http://127\.0\.0\.1:\d+)")
# Of ours: a framework may leave sockets of its own "unclosed".
COMPLAINTS = re.compile(r"Unclosed|never closed|was destroyed|Traceback|Exception ignored")

Answers = list[dict[str, Any]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and signals")


@pytest.fixture
def server() -> Iterator[ThreadedScope]:
    with threaded_scope() as serving:
        yield serving


def environment(server: ThreadedScope, **variables: str) -> dict[str, str]:
    # Warnings of the frameworks are theirs; those of a session or socket left open are ours.
    warnings = {"PYTHONWARNINGS": "ignore,default::ResourceWarning"}
    return clean_environment(**server.variables, **variables) | warnings | {"PYTHONPATH": str(EXAMPLES)}


@contextmanager
def running(
    command: list[str], env: dict[str, str], cwd: Path, printed: re.Pattern[str], times: int = 1
) -> Iterator[list[str]]:
    """Run a server for the block once it has printed a line; SIGTERM ends it, and it complains of nothing."""
    log = cwd / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=env, cwd=cwd, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + 40
        while len(found := printed.findall(log.read_text())) < times:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
    assert not COMPLAINTS.search(log.read_text()), log.read_text()


def answers_over_http(url: str) -> Answers:
    def call(number: int) -> dict[str, Any]:
        with urlopen(f"{url}/greet/caller%20{number}", timeout=20) as reply:
            return json.load(reply)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(call, range(CALLS)))


def exchanges_per_process(server: ThreadedScope, answers: Answers) -> float:
    """Return the number, once every answer is right."""
    assert [answer["text"] for answer in answers] == [f"Hello, caller {n}!" for n in range(CALLS)]
    return server.local.journal.count("exchange") / len({answer["process"] for answer in answers})


GUNICORN = shlex.split("gunicorn --bind 127.0.0.1:0 --workers 2 --no-control-socket")
SET_UPS = {
    "Django, gunicorn sync": [*GUNICORN, "django_service:wsgi"],
    "Django, gunicorn sync, preloaded": [*GUNICORN, "--preload", "django_service:wsgi"],
    "Django, gunicorn gthread, preloaded": [
        *GUNICORN,
        "--preload",
        "--worker-class",
        "gthread",
        "--threads",
        "4",
        "django_service:wsgi",
    ],
    "Django, uvicorn (ASGI)": ["uvicorn", "--host", "127.0.0.1", "--port", "0", "django_service:asgi"],
    "Flask, gunicorn gthread, preloaded": [
        *GUNICORN,
        "--preload",
        "--worker-class",
        "gthread",
        "--threads",
        "4",
        "flask_service:app",
    ],
}


@pytest.mark.parametrize("command", SET_UPS.values(), ids=SET_UPS)
def test_web_server_makes_one_exchange_per_process(server, tmp_path, command) -> None:
    with running(command, environment(server), tmp_path, LISTENING) as listening:
        answers = answers_over_http(listening[0])
    assert exchanges_per_process(server, answers) == 1


def test_celery_makes_one_exchange_per_process(server, tmp_path) -> None:
    env = environment(server, CELERY_FOLDER=str(tmp_path / "celery"))
    # All before the worker starts: this broker may lose a message that is read while it is written.
    assert output_of("celery_sender.py", env) == ""
    worker = shlex.split("celery --app celery_tasks worker --pool prefork --concurrency 2 --loglevel info")
    succeeded = re.compile(r"succeeded in \S+: (\{.*\})")
    with running(worker, env, tmp_path, succeeded, times=CALLS) as results:
        answers = [ast.literal_eval(result) for result in results]
    answers.sort(key=lambda answer: int(re.sub(r"\D", "", answer["text"])))
    assert exchanges_per_process(server, answers) == 1


def output_of(program: str, env: dict[str, str]) -> str:
    command = [sys.executable, str(PROGRAMS / program)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_script_makes_one_exchange(server) -> None:
    assert exchanges_per_process(server, json.loads(output_of("script.py", environment(server)))) == 1


def test_notebook_makes_one_exchange(server, tmp_path) -> None:
    env = environment(server, JUPYTER_RUNTIME_DIR=str(tmp_path), IPYTHONDIR=str(tmp_path))
    printed, state, *rest = json.loads(output_of("notebook.py", env))
    assert exchanges_per_process(server, json.loads(printed)) == 1
    assert (state, rest) == ("'fresh'", [])


def test_frozen_function_makes_at_most_one_exchange_per_token_life() -> None:
    # Frozen after every 40 calls for longer than a token lives.
    with threaded_scope(token_ttl=2) as server:
        command = [sys.executable, str(PROGRAMS / "lambda_runtime.py")]
        answers = []
        with subprocess.Popen(
            command, env=environment(server), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for number in range(CALLS):
                if number and number % 40 == 0:
                    process.send_signal(signal.SIGSTOP)
                    time.sleep(2.2)
                    process.send_signal(signal.SIGCONT)
                process.stdin.write(json.dumps({"name": f"caller {number}"}) + "\n")
                process.stdin.flush()
                answers.append(json.loads(process.stdout.readline()))
            process.stdin.close()
            assert process.wait(20) == 0
        # A cached prompt needs no token, so that a life may pass unused; a slow machine has more of them.
        assert 1 <= exchanges_per_process(server, answers) <= 6
