"""Storage triggers, bindings, timers and HTTP of the real host process against a real Azurite."""

import base64
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueServiceClient

from tests.integration.devhost_apps.runner import APPS, RunningHost, eventually

pytestmark = pytest.mark.integration

ORIGIN = "http://localhost:3000"


class StorageEmulator(Protocol):
    """What these tests need of the shared ``azurite`` fixture."""

    @property
    def connection_string(self) -> str: ...


class Stage:
    """The storage account and the host's environment of one test module, under names of its own."""

    def __init__(self, connection_string: str, work_dir: Path) -> None:
        self.prefix = f"dh{uuid.uuid4().hex[:8]}"
        self.work_dir = work_dir
        self.environ = {"AzureWebJobsStorage": connection_string, "PREFIX": self.prefix}
        self.environ["AzureFunctionsWebHost__hostid"] = self.prefix
        self.app = work_dir / "app"
        shutil.copytree(APPS / "storage", self.app)
        settings = {"Values": {"AzureWebJobsStorage": "the environment wins"}, "Host": {"CORS": ORIGIN}}
        (self.app / "local.settings.json").write_text(json.dumps(settings))
        self.blobs = BlobServiceClient.from_connection_string(connection_string)
        self.queues = QueueServiceClient.from_connection_string(connection_string)
        self.incoming = self.blobs.create_container(f"{self.prefix}-in")

    def close(self) -> None:
        self.incoming.close()
        self.blobs.close()
        self.queues.close()

    def start(self, *options: str) -> RunningHost:
        return RunningHost(self.app, self.work_dir, *options, environ=self.environ)

    def seen(self, event: str) -> list[dict[str, Any]]:
        """What the functions reported of one kind of event."""
        path = self.work_dir / "effects" / "seen.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [each for each in map(json.loads, lines) if each["event"] == event]

    def messages(self, name: str) -> list[str]:
        """Bodies of the messages of one queue, taken off it; empty while there is no such queue."""
        if name not in [queue.name for queue in self.queues.list_queues(name_starts_with=name)]:
            return []
        with self.queues.get_queue_client(name) as queue:
            return [str(message.content) for message in queue.receive_messages(max_messages=32)]

    def send(self, name: str, text: str) -> None:
        with self.queues.get_queue_client(f"{self.prefix}-{name}") as queue:
            queue.send_message(text)


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.fixture(scope="module")
def stage(azurite: StorageEmulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(azurite.connection_string, tmp_path_factory.mktemp("storage"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def host(stage: Stage) -> Iterator[RunningHost]:
    with stage.start() as running:
        yield running


def test_http_routes_verbs_and_results(host: RunningHost) -> None:
    found = host.get("/items/5/wheel?q=round")
    assert (found.status, found.headers["x-kind"]) == (201, "item")
    assert found.json() == {"id": "5", "part": "wheel", "q": "round"}
    assert host.get("/items/5").json()["part"] is None
    assert host.get("/items/five").status == 404
    assert host.post("/items/5").status == 404, "a wrong verb is 404 in Azure, not 405"
    assert host.get("/nothing").status == 204
    body = bytes(range(256)) * 50
    echoed = host.request(
        "PUT", "/echo/a/b%20c", body, {"X-Sent": "yes", "Content-Type": "application/octet-stream"}
    )
    assert (echoed.body, echoed.headers["path"], echoed.headers["x-got"]) == (body, "a/b c", "yes")


def test_browsers_may_call_from_the_origins_local_settings_name(host: RunningHost) -> None:
    answer = host.request("GET", "/items/5", None, {"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    ask = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-sent"}
    preflight = host.request("OPTIONS", "/echo/x", None, ask)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "PUT"
    stranger = host.request("GET", "/items/5", None, {"Origin": "http://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_a_failing_function_answers_500_and_the_host_serves_on(host: RunningHost) -> None:
    broken = host.get("/broken")
    assert (broken.status, broken.body.decode()) == (
        500,
        "Function 'broken' failed: RuntimeError: broken on purpose",
    )
    assert host.get("/exit").status == 500
    assert host.get("/admin/host/status").json()["state"] == "Running"


def test_a_queue_message_runs_its_function_and_its_outputs(stage: Stage, host: RunningHost) -> None:
    assert host.post("/orders", [{"id": "o1"}, {"id": "o2"}]).body == b"2 queued"
    eventually(lambda: {o["id"] for o in stage.seen("order")} >= {"o1", "o2"})
    assert stage.seen("order")[0]["count"] == 1
    eventually(lambda: {"receipt": "o1"} in [r["body"] for r in stage.seen("receipt")])
    copy = eventually(lambda: (answer := host.get("/copies/o1")).status == 200 and answer)
    assert copy.json() == {"id": "o1"}
    assert host.get("/copies/nobody").status == 404


def test_a_poisonous_message_is_tried_and_set_aside(stage: Stage, host: RunningHost) -> None:
    host.post("/orders", [{"id": "bad", "fail": True}])
    poisoned = eventually(lambda: stage.messages(f"{stage.prefix}-orders-poison"))
    assert json.loads(base64.b64decode(poisoned[0])) == {"id": "bad", "fail": True}
    assert [o["count"] for o in stage.seen("order") if o["id"] == "bad"] == [1, 2, 3]


def test_a_message_that_is_not_base64_goes_to_poison_unseen(stage: Stage, host: RunningHost) -> None:
    stage.send("orders", '{"id": "plain"}')
    assert eventually(lambda: stage.messages(f"{stage.prefix}-orders-poison")) == ['{"id": "plain"}']
    assert "plain" not in [o["id"] for o in stage.seen("order")]


def test_a_new_blob_is_read_once_per_version(stage: Stage, host: RunningHost) -> None:
    name = "text/folder/note.v1.txt"
    stage.incoming.upload_blob(name, b"first", metadata={"by": "me"})
    (first,) = eventually(lambda: stage.seen("blob"))
    assert first["name"] == f"{stage.prefix}-in/{name}"
    assert (first["text"], first["length"], first["metadata"]) == ("first", 5, {"by": "me"})
    stage.incoming.upload_blob(name, b"second", overwrite=True)
    eventually(lambda: [b["text"] for b in stage.seen("blob")] == ["first", "second"])


def test_an_sdk_type_parameter_gets_a_client_and_no_content(stage: Stage, host: RunningHost) -> None:
    stage.incoming.upload_blob("video/match.mp4", b"\0" * 100_000)
    (video,) = eventually(lambda: stage.seen("video"))
    assert video == {"event": "video", "blob": "video/match.mp4", "size": 100_000}


def test_a_blob_that_always_fails_is_given_up_after_five_tries(stage: Stage, host: RunningHost) -> None:
    stage.incoming.upload_blob("poison/one", b"x")
    noticed: list[str] = []

    def ours() -> bool:
        noticed.extend(stage.messages("webjobs-blobtrigger-poison"))
        return any(f"{stage.prefix}-in" in base64.b64decode(each).decode() for each in noticed)

    eventually(ours)
    notice = json.loads(base64.b64decode(next(n for n in noticed)))
    assert (notice["Type"], notice["BlobName"]) == ("BlobTrigger", "poison/one")
    assert notice["FunctionId"] == "Host.Functions.refuse_blob"
    assert len(stage.seen("refused")) == 5


def _grid_container(stage: Stage) -> ContainerClient:
    container = stage.blobs.get_container_client(f"{stage.prefix}-grid")
    if not container.exists():
        container.create_container()
    return container


def test_event_grid_blobs_come_by_webhook_not_by_polling(stage: Stage, host: RunningHost) -> None:
    hook = "/runtime/webhooks/blobs?functionName=Host.Functions.from_event_grid&code=x"
    validation = {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "abc"},
    }
    assert host.post(hook, [validation]).json() == {"validationResponse": "abc"}
    assert host.post("/runtime/webhooks/blobs?functionName=Host.Functions.nobody", [validation]).status == 404
    with _grid_container(stage) as container, container.upload_blob("told", b"x") as told:
        container.upload_blob("untold", b"x").close()
        event = {
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": f"/blobServices/default/containers/{stage.prefix}-grid/blobs/told",
            "data": {"url": told.url, "eTag": told.get_blob_properties().etag},
        }
        other = {**event, "subject": "/blobServices/default/containers/elsewhere/blobs/told"}
        assert host.post(hook, [event, other]).status == 202
    eventually(lambda: [g["blob"] for g in stage.seen("grid")] == ["told"])
    by_hand = host.post("/admin/functions/from_event_grid", {"input": f"{stage.prefix}-grid/untold"})
    assert by_hand.status == 202
    eventually(lambda: [g["blob"] for g in stage.seen("grid")] == ["told", "untold"])


def test_admin_runs_other_functions_by_hand(stage: Stage, host: RunningHost) -> None:
    assert host.post("/admin/functions/take_receipt", {"input": '{"receipt": "by hand"}'}).status == 202
    eventually(lambda: {"receipt": "by hand"} in [r["body"] for r in stage.seen("receipt")])
    assert host.post("/admin/functions/nobody", {"input": ""}).status == 404
    assert host.post("/admin/functions/tiny", {"input": ""}).status == 400


def test_timers_tick_on_schedule_and_at_start(stage: Stage, host: RunningHost) -> None:
    eventually(lambda: len(stage.seen("tick")) >= 3)


def test_a_plain_function_app_runs_orchestrations_too(host: RunningHost) -> None:
    started = host.post("/starters/tiny")
    assert started.status == 202
    status = eventually(lambda: (answer := host.get(started.headers["Location"])).status == 200 and answer)
    assert status.json()["output"] == 42


def test_every_function_is_listed_with_its_url(host: RunningHost) -> None:
    log = host.log()
    assert f"get_item: [GET] http://localhost:{host.base.rpartition(':')[2]}/items/{{id:int}}/{{part?}}" in log
    assert "take_order: queueTrigger" in log
    assert "read_blob: blobTrigger" in log


def test_a_restart_does_not_run_old_blobs_again_but_messages_of_a_killed_host(
    azurite: StorageEmulator, tmp_path: Path
) -> None:
    stage = Stage(azurite.connection_string, tmp_path)
    try:
        with stage.start("--queue-lease-seconds", "2") as first:
            stage.incoming.upload_blob("text/old.txt", b"old")
            eventually(lambda: stage.seen("blob"))
            first.post("/orders", [{"id": "long", "seconds": 30}])
            eventually(lambda: stage.seen("order"))
            first.kill()
        with stage.start("--queue-lease-seconds", "2"):
            stage.incoming.upload_blob("text/new.txt", b"new")
            eventually(lambda: [b["text"] for b in stage.seen("blob")] == ["old", "new"])
            eventually(lambda: [o["count"] for o in stage.seen("order")] == [1, 2])
    finally:
        stage.close()


def test_a_message_stays_hidden_while_its_function_runs(azurite: StorageEmulator, tmp_path: Path) -> None:
    stage = Stage(azurite.connection_string, tmp_path)
    try:
        with stage.start("--queue-lease-seconds", "1") as running:
            running.post("/orders", [{"id": "slow", "seconds": 3}])
            eventually(lambda: [r["body"] for r in stage.seen("receipt")] == [{"receipt": "slow"}])
            assert len(stage.seen("order")) == 1, "renewed twice a second, never delivered again"
    finally:
        stage.close()


def test_an_upload_whose_notice_a_killed_host_never_wrote_is_still_noticed(
    azurite: StorageEmulator, tmp_path: Path
) -> None:
    stage = Stage(azurite.connection_string, tmp_path)
    try:
        with stage.incoming.upload_blob("text/half.txt", b"half") as upload:
            etag = str(upload.get_blob_properties().etag).strip('"')
        hosts = stage.blobs.get_container_client("azure-webjobs-hosts")
        if not hosts.exists():
            hosts.create_container()
        # What SIGKILL between taking the receipt and writing the notice leaves behind.
        name = f"blobreceipts/{stage.prefix}/Host.Functions.read_blob/{etag}/{stage.prefix}-in/text/half.txt"
        with hosts, hosts.upload_blob(name, b"", metadata={"Incomplete": "true"}) as receipt:
            lease = receipt.acquire_lease(60)
            with stage.start():
                stage.incoming.upload_blob("text/whole.txt", b"whole").close()
                eventually(lambda: [b["text"] for b in stage.seen("blob")] == ["whole"])
                lease.break_lease(0)
                eventually(lambda: [b["text"] for b in stage.seen("blob")] == ["whole", "half"])
    finally:
        stage.close()
