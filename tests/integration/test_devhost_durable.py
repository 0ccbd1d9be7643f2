"""Durable orchestrations on the real host process: patterns, management API, client calls, survival of SIGKILL."""

import resource
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.devhost_apps.runner import APPS, RunningHost, eventually

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with RunningHost("patterns", tmp_path_factory.mktemp("patterns")) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "value", "output"),
    [
        ("chaining", None, "abc"),
        ("fan_out", {"count": 30}, sum(range(30))),
        ("retrying", {"attempts": 3}, 3),
        ("counting", {"left": 3, "done": 0}, 3),
        ("parent", {"count": 12}, 12),
        ("monitor", None, 3),
        ("event_or_timer", {"seconds": 0.2}, {"approved": None}),
    ],
)
def test_patterns_complete_with_their_result(host: RunningHost, name: str, value: Any, output: Any) -> None:
    answer = host.post(f"/api/wait/{name}", value)
    assert answer.status == 200, answer
    assert (answer.json() if not isinstance(output, str) else answer.body.decode()) == output


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "failing",
            None,
            "Orchestrator function 'failing' failed: Activity function 'always_fail' failed: ValueError: boom",
        ),
        ("retrying", {"attempts": 2}, "RuntimeError: attempt 2 fails"),
        ("no_yield", None, "ValueError: refused at once"),
        ("misspelt", None, "The function 'no_such_activity' doesn't exist"),
        ("entity_user", None, "durable entities"),
    ],
)
def test_failures_say_why(host: RunningHost, name: str, value: Any, words: str) -> None:
    answer = host.post(f"/api/wait/{name}", value)
    assert answer.status == 500
    assert answer.json()["runtimeStatus"] == "Failed"
    assert words in answer.json()["output"]


def test_a_parent_can_catch_the_failure_of_its_child(host: RunningHost) -> None:
    instance_id = host.start("catching")
    assert "always_fail" in host.finished(instance_id)["output"]
    child = host.instance(f"{instance_id}:child").json()
    assert (child["name"], child["runtimeStatus"]) == ("failing", "Failed")


def test_an_event_wins_the_race_and_ends_the_instance_at_once(host: RunningHost) -> None:
    instance_id = host.start("event_or_timer", {"seconds": 600})
    eventually(lambda: host.status(instance_id) == "Running")
    assert host.operate(instance_id, "raiseEvent/approval", {"by": "me"}).status == 202
    assert host.finished(instance_id, 5)["output"] == {"approved": {"by": "me"}}


def test_status_tells_what_happened(host: RunningHost) -> None:
    instance_id = host.start("fan_out", {"count": 2})
    body = host.finished(instance_id)
    assert body["name"] == "fan_out"
    assert body["customStatus"] == {"wanted": 2}
    assert body["input"] == '{"count": 2}', "the SDK's client encodes twice, Azure shows the text"
    shown = host.instance(instance_id, "?showHistory=true&showHistoryOutput=true&showInput=false").json()
    assert shown["input"] is None
    kinds = [event["EventType"] for event in shown["historyEvents"]]
    assert kinds == ["ExecutionStarted", "TaskCompleted", "TaskCompleted", "ExecutionCompleted"]
    assert shown["historyEvents"][1]["FunctionName"] == "leave_effect"
    assert shown["historyEvents"][-1]["Result"] == "1"
    assert not {"EventId", "IsPlayed"} & set(shown["historyEvents"][1])


def test_management_api_answers_with_azures_codes(host: RunningHost) -> None:
    assert host.instance("nobody").status == 404
    assert host.operate("nobody", "terminate?reason=x").status == 404
    assert host.operate("nobody", "raiseEvent/x", {}).status == 404
    assert host.operate("nobody", "restart").status == 400
    unknown = host.post("/runtime/webhooks/durabletask/orchestrators/nothing", {})
    assert (unknown.status, "nothing" in unknown.json()["ExceptionMessage"]) == (400, True)
    assert host.post("/runtime/webhooks/durabletask/orchestrators/waiting", b"{").status == 400
    started = host.post("/runtime/webhooks/durabletask/orchestrators/waiting/management-1", {})
    assert started.status == 202
    assert {"id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "rewindPostUri"} <= set(
        started.json()
    )
    running = host.get(started.json()["statusQueryGetUri"])
    assert (running.status, running.headers["Retry-After"]) == (202, "5")
    again = host.post("/runtime/webhooks/durabletask/orchestrators/waiting/management-1", {})
    assert (again.status, "already exists" in again.json()["ExceptionMessage"]) == (500, True)
    assert host.operate("management-1", "resume?reason=x").status == 500
    assert host.operate("management-1", "rewind?reason=x").status == 500
    plain = host.post(
        "/runtime/webhooks/durabletask/instances/management-1/raiseEvent/go:1",
        b"x",
        {"Content-Type": "text/plain"},
    )
    assert plain.status == 400
    assert host.operate("management-1", "terminate?reason=enough").status == 202
    assert host.finished("management-1")["output"] == "enough"
    assert host.status("management-1") == "Terminated"
    assert host.operate("management-1", "terminate?reason=x").status == 410
    assert host.operate("management-1", "raiseEvent/go:1", {}).status == 410
    assert host.operate("management-1", "suspend?reason=x").status == 410
    assert host.request("DELETE", "/runtime/webhooks/durabletask/instances/").status == 400
    assert host.request("DELETE", "/runtime/webhooks/durabletask/instances/management-1").json() == {
        "instancesDeleted": 1
    }
    assert host.request("DELETE", "/runtime/webhooks/durabletask/instances/management-1").status == 404
    failed = host.start("failing")
    host.finished(failed)
    assert host.instance(failed, "?returnInternalServerErrorOnFailure=true").status == 500


def test_listing_filters_and_pages(host: RunningHost) -> None:
    for number in range(5):
        host.finished(host.start("chaining", None, f"page-{number}"))
    root = "/runtime/webhooks/durabletask/instances/"
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        headers = {"x-ms-continuation-token": token}
        answer = host.request("GET", f"{root}?instanceIdPrefix=page-&top=2&runtimeStatus=Completed", None, headers)
        seen += [each["instanceId"] for each in answer.json()]
        token = answer.headers.get("x-ms-continuation-token")
    assert seen == [f"page-{number}" for number in range(5)]
    assert host.get(f"{root}?instanceIdPrefix=page-&runtimeStatus=Failed").json() == []
    assert host.get(f"{root}?instanceIdPrefix=page-&createdTimeFrom=2999-01-01T00:00:00Z").json() == []


def test_suspended_instances_keep_their_events_for_later(host: RunningHost) -> None:
    instance_id = host.start("waiting", None, "suspended-1")
    assert host.operate(instance_id, "suspend?reason=pause").status == 202
    assert host.operate(instance_id, "suspend?reason=pause").status == 500
    host.operate(instance_id, "raiseEvent/go:1", 1)
    host.operate(instance_id, "raiseEvent/go:2", 2)
    time.sleep(0.3)
    assert host.status(instance_id) == "Suspended"
    assert host.operate(instance_id, "resume?reason=go").status == 202
    assert host.finished(instance_id)["output"] == [1, 2]


def test_a_failed_instance_can_be_rewound(host: RunningHost) -> None:
    # Two attempts were used up; the third, after the rewind, succeeds.
    instance_id = host.start("rewindable")
    assert host.finished(instance_id)["runtimeStatus"] == "Failed"
    assert host.operate(instance_id, "rewind?reason=once-more").status == 202
    eventually(lambda: "attempt 2" in str(host.finished(instance_id)["output"]))
    assert host.operate(instance_id, "rewind?reason=once-more").status == 202
    eventually(lambda: host.status(instance_id) == "Completed")
    assert host.instance(instance_id).json()["output"] == ["abc", 3]
    assert host.operate(instance_id, "rewind?reason=x").status == 410


def test_the_sdks_own_client_reaches_every_operation(host: RunningHost) -> None:
    instance_id = host.start("waiting", None, "client-1")
    refused = host.post("/api/orchestrators/waiting/client-1")
    assert refused.status == 409
    assert b"already exists" in refused.body
    for operation in ("suspend", "resume"):
        assert host.post(f"/api/client/{operation}/{instance_id}").status == 200
    for name in ("go:1", "go:2"):
        assert host.post(f"/api/client/event/{instance_id}?name={name}", {"n": name}).status == 200
    # raise_event encodes twice, as in Azure: the orchestrator sees the JSON text.
    assert host.finished(instance_id)["output"] == ['{"n": "go:1"}', '{"n": "go:2"}']
    assert host.post(f"/api/client/status/{instance_id}").json()["runtimeStatus"] == "Completed"
    assert host.post("/api/client/status/nobody").json() is None
    restarted = host.post(f"/api/client/restart/{instance_id}")
    assert restarted.status == 200, restarted
    listed = host.post("/api/client/list/x").json()
    assert instance_id in listed["completed"]
    assert listed["all"] >= len(listed["completed"])
    assert host.post(f"/api/client/purge/{instance_id}").json() == 1
    assert host.post(f"/api/client/purge/{instance_id}").json() == 0
    other = host.start("waiting", None, "client-2")
    assert host.post(f"/api/client/terminate/{other}").status == 200
    assert host.finished(other)["runtimeStatus"] == "Terminated"


def test_only_one_of_many_simultaneous_starts_wins(host: RunningHost) -> None:
    def start(_: int) -> int:
        return host.post("/runtime/webhooks/durabletask/orchestrators/waiting/singleton", {}).status

    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(start, range(20)))
    assert statuses == [202] + [500] * 19
    host.operate("singleton", "terminate?reason=done")


def test_a_wide_fan_out_of_children_stays_linear(host: RunningHost) -> None:
    started = time.monotonic()
    instance_id = host.start("parent", {"count": 200})
    assert host.finished(instance_id, 60)["output"] == 200
    assert time.monotonic() - started < 30


def test_a_killed_host_finishes_its_fan_out_after_restart(tmp_path: Path) -> None:
    count = 24
    with RunningHost("patterns", tmp_path) as first:
        instance_id = first.start("slow_fan_out", {"count": count, "seconds": 0.25})
        timer_waiter = first.start("event_or_timer", {"seconds": 1.5})
        event_waiter = first.start("waiting")
        first.operate(event_waiter, "raiseEvent/go:1", 1)
        eventually(lambda: 3 <= len(list(first.effects.glob(f"{instance_id}-*"))) < count)
        first.kill()
    with RunningHost("patterns", tmp_path) as second:
        assert "Resuming" in second.log()
        assert second.finished(instance_id)["output"] == {"sum": sum(range(count)), "child": "abc"}
        effects = {path.name.split("-")[-2] for path in second.effects.glob(f"{instance_id}-*")}
        assert effects == {f"{n:04d}" for n in range(count)}, "every activity left its effect"
        assert second.finished(timer_waiter)["output"] == {"approved": None}
        second.operate(event_waiter, "raiseEvent/go:2", 2)
        assert second.finished(event_waiter)["output"] == [1, 2], "the event of the first life was kept"


def test_repeated_kills_lose_and_double_nothing_in_history(tmp_path: Path) -> None:
    lives = 0
    with RunningHost("patterns", tmp_path) as running:
        instance_id = running.start("slow_fan_out", {"count": 40, "seconds": 0.1})
        time.sleep(0.15)
        running.kill()
    for pause_s in (0.1, 0.2, 0.05):
        with RunningHost("patterns", tmp_path) as running:
            lives += 1
            time.sleep(pause_s)
            running.kill()
    with RunningHost("patterns", tmp_path) as running:
        assert running.finished(instance_id)["output"] == {"sum": sum(range(40)), "child": "abc"}
        events = running.instance(instance_id, "?showHistory=true&showHistoryOutput=true").json()["historyEvents"]
    results = sorted(int(e["Result"]) for e in events if e["EventType"] == "TaskCompleted")
    assert results == list(range(40)), "each activity is recorded exactly once"


def test_long_activities_leave_http_functions_their_threads(tmp_path: Path) -> None:
    environ = {
        "PYTHON_THREADPOOL_THREAD_COUNT": "1",
        "AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions": "3",
    }
    with RunningHost("patterns", tmp_path, "--grace-seconds", "0.2", environ=environ) as running:
        instance_id = running.start("slow_fan_out", {"count": 4, "seconds": 2})
        eventually(lambda: running.status(instance_id) == "Running")
        time.sleep(0.3)  # the activities have begun
        asked = time.monotonic()
        assert running.get("/api/hello").body == b"hello"
        assert time.monotonic() - asked < 1.0
        eventually(lambda: any(running.effects.iterdir()))
        time.sleep(0.3)
        assert len(list(running.effects.iterdir())) == 3, (
            "as many at once as host.json allows, not as the other pool has threads"
        )


def test_a_full_disk_delays_activities_and_timers_but_strands_none(tmp_path: Path) -> None:
    with RunningHost("patterns", tmp_path) as running:
        activity = running.start("slow_fan_out", {"count": 1, "seconds": 0.7})
        timer = running.start("event_or_timer", {"seconds": 0.7})
        eventually(lambda: {running.status(activity), running.status(timer)} == {"Running"})
        time.sleep(0.2)  # both histories are written
        pid, limit = running.process.pid, resource.RLIMIT_FSIZE
        before = resource.prlimit(pid, limit)
        # From here no file of the host may grow: to SQLite that is a disk that refuses writes.
        resource.prlimit(pid, limit, ((tmp_path / "state" / "durable.db-wal").stat().st_size, before[1]))
        eventually(
            lambda: "result cannot be saved" in running.log() and "due but cannot be saved" in running.log()
        )
        resource.prlimit(pid, limit, before)
        assert running.finished(timer, 10)["output"] == {"approved": None}
        assert running.finished(activity, 10)["output"] == {"sum": 0, "child": "abc"}


def test_a_stopped_host_ends_within_seconds_even_with_a_busy_function(tmp_path: Path) -> None:
    with RunningHost("patterns", tmp_path, "--grace-seconds", "0.5") as running:
        running.start("slow_fan_out", {"count": 1, "seconds": 30})
        time.sleep(0.3)
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 5
        assert "Stopped" in running.log()


def test_starting_where_it_cannot_gives_one_line_and_code_1(tmp_path: Path, host: RunningHost) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        blocked = RunningHost("patterns", tmp_path / "port", port=port)
        assert blocked.exit_code() == 1
    assert f"devhost: port {port} is not free" in blocked.log()
    assert "Traceback" not in blocked.log()

    twin = RunningHost("patterns", host.work_dir)
    assert twin.exit_code() == 1
    assert "another host is running" in twin.log()

    broken = tmp_path / "broken"
    shutil.copytree(APPS / "patterns", broken)
    (broken / "function_app.py").write_text("import azure.functions as func\nraise RuntimeError('half written')\n")
    failed = RunningHost(broken, tmp_path / "state")
    assert failed.exit_code() == 1
    assert "devhost: function_app.py failed to load: RuntimeError: half written" in failed.log()
