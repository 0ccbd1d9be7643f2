"""The host's small languages: blob patterns, schedules, routes, time spans, settings, metadata rules."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import azure.durable_functions as df
import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.config import (
    apply_local_settings,
    connection_setting,
    load_host_config,
    load_local_host,
    parse_timespan,
    substitute_settings,
)
from devhost.errors import AppError, ConfigError
from devhost.loader import index_app, load_app
from devhost.metadata import (
    validate_function_metadata,
    validate_functions,
    validate_host_json,
    validate_local_settings,
)
from devhost.ncrontab import parse_schedule
from devhost.patterns import fill_path, parse_pattern
from devhost.routes import compile_route
from devhost.storage import StorageAccounts
from devhost.timers import retry_delay_s

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("path", "blob", "expected"),
    [
        ("in/{name}", "a/b/c.txt", {"name": "a/b/c.txt"}),
        ("in/{name}.{ext}", "a.b/c.tar.gz", {"name": "a.b/c.tar", "ext": "gz"}),
        ("in/{folder}/{name}", "a/b/c", {"folder": "a/b", "name": "c"}),
        ("in/v-{id}.mp4", "v-1.mp4", {"id": "1"}),
        ("in/v-{id}.mp4", "v-1.mov", None),
        ("in/v-{id}.mp4", "x/v-1.mp4", None),
        ("in/{{raw}}{x}", "{raw}1", {"x": "1"}),
        ("in", "anything/at.all", {}),
        ("in/a+b.{x}", "aab.c", None),
    ],
)
def test_blob_patterns_match_as_the_webjobs_sdk_does(
    path: str, blob: str, expected: dict[str, str] | None
) -> None:
    pattern = parse_pattern(path)
    assert pattern.container == "in"
    assert pattern.match(blob) == expected


@pytest.mark.parametrize("path", ["{c}/x", "in/{a", "in/a}", "in/{a}{a}", "", "in/{a-b}"])
def test_blob_patterns_that_cannot_be_are_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        parse_pattern(path)


@given(st.text(alphabet="abc./-{}+[", max_size=12), st.text(alphabet="abc./-", max_size=12))
def test_a_literal_blob_path_matches_itself_and_nothing_else(literal: str, other: str) -> None:
    pattern = parse_pattern("in/" + (literal.replace("{", "{{").replace("}", "}}") or "x"))
    assert pattern.match(literal or "x") == {}
    assert (pattern.match(other) is not None) == (other == (literal or "x"))


def test_binding_paths_fill_from_trigger_data() -> None:
    assert fill_path("out/{name}/{a.b}.json", {"name": "x", "a": {"b": 3}}) == "out/x/3.json"
    assert fill_path("{{x}}", {}) == "{x}"
    assert len(fill_path("{rand-guid}", {})) == 36
    with pytest.raises(ConfigError, match="missing"):
        fill_path("{missing}", {})


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 */5 * * * *", "2026-01-01T00:01:00", "2026-01-01T00:05:00"),
        ("*/15 * * * * *", "2026-01-01T00:00:15", "2026-01-01T00:00:30"),
        ("0 30 9 * * Mon-Fri", "2026-01-02T10:00:00", "2026-01-05T09:30:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("*/10 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:10:00"),
        ("0 0 8-18/5 * Jan,jul 0", "2026-01-01T00:00:00", "2026-01-04T08:00:00"),
        ("59 59 23 31 12 7", "2026-01-01T00:00:00", "2028-12-31T23:59:59"),
    ],
)
def test_ncrontab_next_occurrence(expression: str, after: str, expected: str) -> None:
    found = parse_schedule(expression).next_after(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "expression", ["", "* * *", "60 * * * * *", "0 0 25 * * *", "0 5-1 * * * *", "x * * * * *", "*/0 * * * * *"]
)
def test_ncrontab_refuses_nonsense(expression: str) -> None:
    with pytest.raises(ConfigError):
        parse_schedule(expression)


def test_a_schedule_that_never_fires_is_an_error_not_a_loop() -> None:
    with pytest.raises(ConfigError, match="never"):
        parse_schedule("0 0 0 31 2 *").next_after(datetime(2026, 1, 1, tzinfo=UTC))


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 23),
    st.integers(1, 28),
)
def test_ncrontab_occurrences_are_later_and_match(
    moment: datetime, second: int, minute: int, hour: int, day: int
) -> None:
    found = parse_schedule(f"{second} {minute} {hour} {day} * *").next_after(moment)
    assert moment < found <= moment + timedelta(days=62)
    assert (found.second, found.minute, found.hour, found.day) == (second, minute, hour, day)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/items/{id:int}", "/api/items/12", {"id": "12"}),
        ("api/items/{id:int}", "/api/items/x", None),
        ("api/items/{id?}", "/api/items", {}),
        ("api/items/{id?}", "/api/items/7", {"id": "7"}),
        ("files/{*path}", "/files/a/b%20c", {"path": "a/b c"}),
        ("files/{*path}", "/files", {}),
        ("x/{a}-{b}", "/x/1-2", {"a": "1", "b": "2"}),
        ("x/{g:guid}", "/X/8f0c5b1e-6a6c-4d0e-9d2c-0e7f7c9e6b11", {"g": "8f0c5b1e-6a6c-4d0e-9d2c-0e7f7c9e6b11"}),
        ("x/{a:alpha:length(2,3)}", "/x/ab", {"a": "ab"}),
        ("x/{a:alpha:length(2,3)}", "/x/abcd", None),
        ("x/{a:regex(^v\\d{{2}}$)}", "/x/v1", None),
        ("x/{a:regex(^v\\d{{2}}$)}", "/x/v12", {"a": "v12"}),
        ("x/{a:range(3,5)}", "/x/4", {"a": "4"}),
        ("x/{a:min(3)}", "/x/2", None),
        ("x", "/x/y", None),
    ],
)
def test_route_templates_match_as_aspnet_does(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert compile_route(template).match(path) == expected


def test_literal_routes_win_over_parameters() -> None:
    templates = ["a/{*rest}", "a/{x}", "a/{x:int}", "a/b"]
    ordered = sorted(templates, key=lambda template: compile_route(template).precedence)
    assert ordered == ["a/b", "a/{x:int}", "a/{x}", "a/{*rest}"]


@pytest.mark.parametrize("template", ["a/{b", "a/{b}/{b}", "a/{b:nonsense}"])
def test_malformed_routes_are_refused(template: str) -> None:
    with pytest.raises(ConfigError):
        compile_route(template)


@pytest.mark.parametrize(("text", "seconds"), [("00:00:05", 5.0), ("1.02:03:04.5", 93784.5), ("00:30", 1800.0)])
def test_time_spans(text: str, seconds: float) -> None:
    assert parse_timespan(text) == seconds
    with pytest.raises(ConfigError):
        parse_timespan("5 minutes")


def test_host_json_is_overridden_by_environment_without_regard_to_case(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(
        json.dumps({"version": "2.0", "extensions": {"queues": {"batchSize": 4}, "http": {"routePrefix": ""}}})
    )
    environ = {"AzureFunctionsJobHost__Extensions__queues__BATCHSIZE": "7", "HUB": "FromSetting"}
    environ["AzureFunctionsJobHost__extensions__durableTask__hubName"] = "%HUB%"
    config = load_host_config(tmp_path, environ)
    assert (config.queues.batch_size, config.route_prefix) == (7, "")
    assert config.durable.hub_name == "FromSetting"
    with pytest.raises(ConfigError, match="batchSize"):
        load_host_config(tmp_path, {"AzureFunctionsJobHost__extensions__queues__batchSize": "many"})


def test_only_the_first_object_of_a_configuration_file_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}{"version": "1.0"}')
    assert load_host_config(tmp_path, {}).route_prefix == "api"
    assert "ignored" in caplog.text
    (tmp_path / "host.json").write_text('{"version": ')
    with pytest.raises(ConfigError, match=r"host\.json"):
        load_host_config(tmp_path, {})


def test_local_settings_fill_only_what_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"A": "file", "B": "file"}}))
    environ = {"A": "shell"}
    assert apply_local_settings(tmp_path, environ) == 1
    assert environ == {"A": "shell", "B": "file"}


def test_the_local_port_and_origins_come_from_local_settings(tmp_path: Path) -> None:
    assert load_local_host(tmp_path).port == 7071
    host = {"LocalHttpPort": 7123, "CORS": "http://a.example/, http://b.example"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {}, "Host": host}))
    assert load_local_host(tmp_path).cors == ("http://a.example", "http://b.example")
    assert load_local_host(tmp_path).port == 7123


def test_connections_resolve_by_name_then_prefix_then_identity() -> None:
    assert connection_setting("Media", {"AzureWebJobsMedia": "x"}) == "AzureWebJobsMedia"
    assert connection_setting("", {"AzureWebJobsStorage": "x"}) == "AzureWebJobsStorage"
    assert connection_setting("Media", {"Media__accountName": "x"}) == "Media"
    with pytest.raises(ConfigError, match="AzureWebJobsMedia"):
        connection_setting("Media", {})
    with pytest.raises(ConfigError, match="NOPE"):
        substitute_settings("%NOPE%-queue", {})


def test_the_short_connection_string_of_the_emulator_is_understood() -> None:
    accounts = StorageAccounts({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert accounts.blobs("").url.startswith("http://127.0.0.1:10000/devstoreaccount1")
    assert accounts.queues("").url.startswith("http://127.0.0.1:10001/devstoreaccount1")


def test_retry_policies_wait_as_declared() -> None:
    assert retry_delay_s({"strategy": "fixed_delay", "delay_interval": "00:00:03"}, 4) == 3.0
    backoff = {"strategy": "exponential_backoff", "minimum_interval": "00:00:01", "maximum_interval": "00:00:05"}
    assert [retry_delay_s(backoff, failures) for failures in range(4)] == [1.0, 2.0, 4.0, 5.0]


def _app() -> df.DFApp:
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route(route="things/{id}", methods=["GET"])
    def get_thing(req: func.HttpRequest) -> str:
        return "x"

    @app.queue_trigger(arg_name="message", queue_name="things", connection="AzureWebJobsStorage")
    def take_thing(message: func.QueueMessage) -> None: ...

    return app


def test_a_sound_app_has_no_violations_however_often_it_is_checked() -> None:
    app = _app()
    assert validate_functions(app) == []
    assert validate_functions(app) == []


def test_parameters_that_do_not_match_the_bindings_are_named() -> None:
    app = _app()

    @app.queue_trigger(arg_name="message", queue_name="others", connection="AzureWebJobsStorage")
    def take_other(msg: func.QueueMessage) -> None: ...

    problems = validate_functions(app)
    assert len(problems) == 2
    assert all("take_other" in problem for problem in problems)
    app.functions_bindings = {}
    with pytest.raises(AppError, match="take_other"):
        index_app(app)


def test_annotations_the_worker_cannot_serve_are_named() -> None:
    app = _app()

    @app.queue_trigger(arg_name="message", queue_name="others", connection="AzureWebJobsStorage")
    def take_text(message: str) -> None: ...

    (problem,) = validate_functions(app)
    assert "'take_text'" in problem
    assert "annotated 'str'" in problem


def test_each_metadata_rule_is_reported() -> None:
    trigger = {"type": "queueTrigger", "name": "m", "direction": "IN", "queueName": "q-1", "connection": "S"}
    good = {"scriptFile": "function_app.py", "bindings": [trigger]}
    assert validate_function_metadata("take", good) == []

    def problem(name: str = "take", **changes: object) -> str:
        return " ".join(validate_function_metadata(name, {**good, "bindings": [{**trigger, **changes}]}))

    assert "function name" in problem("1take")
    assert "function name" in problem("Host")
    odd = {**good, "bindings": [{**trigger, "name": "a__b"}]}
    assert any("binding name" in each for each in validate_function_metadata("take", odd))
    assert "queue name" in problem(queueName="Big_Queue")
    assert "connection is missing" in problem(connection="")
    assert "direction" in problem(direction="OUT")
    assert "not one this host knows" in problem(type="teapotTrigger")
    two = {**good, "bindings": [trigger, {**trigger, "name": "n"}]}
    assert any("exactly one trigger" in each for each in validate_function_metadata("take", two))
    http = {"type": "httpTrigger", "name": "req", "direction": "IN", "authLevel": "everybody", "methods": ["BREW"]}
    told = " ".join(validate_function_metadata("take", {**good, "bindings": [{**http, "route": "/admin/x"}]}))
    assert "authLevel" in told
    assert "BREW" in told
    assert "must not start" in told


def test_host_json_rules() -> None:
    bundle = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}
    good = {"version": "2.0", "extensionBundle": bundle, "extensions": {"durableTask": {"hubName": "Hub1"}}}
    assert validate_host_json(good) == []
    assert validate_host_json({**good, "version": "1.0"})
    assert validate_host_json({**good, "extensionBundle": {**bundle, "version": "[3.*, 4.0.0)"}})
    assert validate_host_json({**good, "extensionBundle": {**bundle, "version": "4"}})
    for extensions in (
        {"queues": {"batchSize": 33}},
        {"queues": {"visibilityTimeout": "5s"}},
        {"queues": {"batchSiez": 3}},
        {"durableTask": {"hubName": "has-hyphen"}},
        {"durableTask": {"extendedSessionsEnabled": True}},
        {"durableTask": {"storageProvider": {"partitionCount": 17}}},
    ):
        assert len(validate_host_json({**good, "extensions": extensions})) == 1, extensions


def test_local_settings_rules() -> None:
    good = {"IsEncrypted": False, "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": "x"}}
    assert validate_local_settings(good) == []
    assert validate_local_settings({**good, "IsEncrypted": True})
    assert len(validate_local_settings({"IsEncrypted": False, "Values": {"N": 1}})) == 3
    assert validate_local_settings({**good, "Host": {"LocalHttpPort": 0}})


def test_a_broken_app_file_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is loaded here must not stay what others import by this name.
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "function_app", ModuleType("function_app"))
    with pytest.raises(AppError, match="no function_app"):
        load_app(tmp_path)
    (tmp_path / "function_app.py").write_text("import nothing_like_this\n")
    with pytest.raises(AppError, match="nothing_like_this"):
        load_app(tmp_path)
    (tmp_path / "function_app.py").write_text("x = 1\n")
    with pytest.raises(AppError, match="exactly one"):
        load_app(tmp_path)
