"""The app as a Functions host sees it: its functions, and the files a host and a deployment read."""

import fnmatch
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fanreel.settings import Settings

pytestmark = pytest.mark.contract

ROOT = Path(__file__).resolve().parents[2]

_LIST = """
import json, function_app
print(json.dumps([
    {"name": f.get_function_name(), "bindings": [json.loads(b) for b in f.get_raw_bindings()]}
    for f in function_app.app.get_functions()
]))
"""


def load_app(blob_source: str) -> dict[str, list[dict[str, Any]]]:
    """Load the app in a process of its own: the SDK lists functions once only."""
    env = {**os.environ, "AzureWebJobsStorage": "UseDevelopmentStorage=true", "FANREEL_BLOB_SOURCE": blob_source}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LIST], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return {one["name"]: one["bindings"] for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def functions() -> dict[str, list[dict[str, Any]]]:
    return load_app("eventgrid")


def triggers(functions: dict[str, list[dict[str, Any]]], kind: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, bindings in functions.items() for one in bindings if one["type"] == kind}


def test_every_workflow_and_step_is_registered(functions: dict[str, list[dict[str, Any]]]) -> None:
    assert set(triggers(functions, "orchestrationTrigger")) == {
        "analyze_video", "segment_batch", "analyze_segment", "hear_segment", "make_montage", "enroll_fan",
        "apply_review",
    }  # fmt: skip
    assert set(triggers(functions, "activityTrigger")) == {
        "probe_video", "plan_segments", "dispatch_segment", "collect_segment", "abandon_segment", "measure_sound",
        "merge_video", "match_video", "load_fan_page", "search_fan", "plan_montage", "render_montage",
        "publish_montage", "abandon_montage", "finish_video", "embed_selfie", "abandon_selfie", "finish_enrolment",
        "abandon_search", "load_searched_fans",
    }  # fmt: skip


def test_orchestrators_call_only_activities_and_workflows_that_exist(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "orchestrators").glob("*.py"))
    called = set(re.findall(r'step\(context, "(\w+)"', text))
    started = set(re.findall(r'call_sub_orchestrator\(\s*"(\w+)"', text))
    assert called == set(triggers(functions, "activityTrigger"))
    assert started < set(triggers(functions, "orchestrationTrigger"))


def test_the_api_has_these_routes(functions: dict[str, list[dict[str, Any]]]) -> None:
    routes = {
        (tuple(one["methods"]), one["route"], one["authLevel"])
        for one in triggers(functions, "httpTrigger").values()
    }
    assert routes == {
        (("POST",), "fans", "FUNCTION"),
        (("GET",), "fans/{fanId}", "FUNCTION"),
        (("DELETE",), "fans/{fanId}", "FUNCTION"),
        (("GET",), "fans/{fanId}/montages", "FUNCTION"),
        (("POST",), "fans/{fanId}/montages/{eventId}/cancel", "FUNCTION"),
        (("POST",), "fans/{fanId}/montages/{eventId}/resume", "FUNCTION"),
        (("GET",), "videos/{videoId}", "FUNCTION"),
        (("GET",), "videos/{videoId}/highlights", "FUNCTION"),
        (("GET",), "events/{eventId}/videos", "FUNCTION"),
        (("GET",), "events/{eventId}/reviews", "FUNCTION"),
        (("POST",), "events/{eventId}/reviews", "FUNCTION"),
        (("POST",), "fans/{fanId}/appearances/{appearanceId}/not-me", "FUNCTION"),
    }


def test_uploads_come_by_event_grid_in_azure_and_by_polling_locally(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    blobs = triggers(functions, "blobTrigger")
    assert {one["path"] for one in blobs.values()} == {"videos/{path}", "selfies/{path}"}
    assert {one["source"] for one in blobs.values()} == {"EventGrid"}
    assert {one["connection"] for one in blobs.values()} == {"AzureWebJobsStorage"}
    assert all("source" not in one for one in triggers(load_app("polling"), "blobTrigger").values())


def test_uploads_bind_a_client_and_never_the_content() -> None:
    text = (ROOT / "functions" / "uploads.py").read_text()
    assert text.count("client: blob.BlobClient") >= 2
    assert "InputStream" not in text


def test_workers_report_to_the_queue_of_the_settings(functions: dict[str, list[dict[str, Any]]]) -> None:
    (report,) = triggers(functions, "queueTrigger").values()
    assert report["queueName"] == Settings.model_fields["queue_segment_results"].default


def test_triggers_stay_thin() -> None:
    for path in (ROOT / "functions").glob("*.py"):
        for match in re.finditer(
            r"@blueprint\.function_name.*?\n((?:async )?def .*?)(?=\n\n\n|\Z)", path.read_text(), re.S
        ):
            assert match[1].count("\n") < 16, match[1].splitlines()[0]


def test_host_json_is_what_the_code_counts_on() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert host["version"] == "2.0"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
    extensions = host["extensions"]
    assert extensions["http"]["routePrefix"] == "api"
    assert extensions["queues"]["messageEncoding"] == "base64"
    assert extensions["queues"]["maxDequeueCount"] == 5
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", extensions["durableTask"]["hubName"])
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    assert hours * 3600 + minutes * 60 + seconds >= 1800, "a montage or the sound of a segment may take a while"


def test_the_settings_example_runs_locally_and_holds_no_secret_of_ours() -> None:
    example = json.loads((ROOT / "local.settings.json.example").read_text())
    assert example["IsEncrypted"] is False
    values = example["Values"]
    assert values["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert values["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    known = {f"FANREEL_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in values if name.startswith("FANREEL_")} <= known
    assert values["FANREEL_COSMOS_KEY"].startswith("C2y6yDjf5"), "the emulators' published key"


def test_the_functions_app_installs_exactly_what_was_tested() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {Requirement(line).name: str(Requirement(line).specifier) for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["functions"], *extras["cpu"]]
    assert {canonicalize_name(name) for name in pinned} == {
        canonicalize_name(Requirement(one).name) for one in wanted
    }
    for name, specifier in pinned.items():
        assert specifier == f"=={metadata.version(name)}"


def test_the_deployed_package_has_the_app_and_nothing_else() -> None:
    ignored = (ROOT / ".funcignore").read_text().split()

    def is_ignored(name: str) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for pattern in ignored)

    needed = [
        "function_app.py",
        "host.json",
        "requirements.txt",
        "functions",
        "orchestrators",
        "activities",
        "fanreel",
    ]
    assert not [name for name in needed if is_ignored(name)]
    left_out = ["tests", "devhost", "gpu_workers", "infra", "node_modules", "local.settings.json", ".git", ".venv"]
    assert [name for name in left_out if not is_ignored(name)] == []
