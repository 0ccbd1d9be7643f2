"""The local servers answer real SDK calls and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from fanreel.errors import InputRejected
from fanreel.local import servers
from fanreel.local.servers import Azurite, CosmosEmulator

pytestmark = pytest.mark.integration


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_azurite_serves_blobs_and_queues(azurite: Azurite) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as blobs:
        container = blobs.create_container("servers-test")
        container.upload_blob("a/b.bin", b"12345")
        assert container.download_blob("a/b.bin", offset=1, length=3).readall() == b"234"
    with (
        QueueServiceClient.from_connection_string(azurite.connection_string) as queues,
        queues.create_queue("servers-test") as queue,
    ):
        queue.send_message("hello")
        message = queue.receive_message()
        assert message is not None
        assert message.content == "hello"


def test_cosmos_serves_documents_over_kept_connections(cosmos: CosmosEmulator) -> None:
    with CosmosClient(cosmos.endpoint, cosmos.key) as client:
        database = client.create_database("servers-test")
        fans = database.create_container("fans", PartitionKey("/fanId"))
        fans.upsert_item({"id": "a", "fanId": "a", "n": 1})
        found = list(fans.query_items("SELECT * FROM c WHERE c.fanId = 'a'", partition_key="a"))
        assert [each["id"] for each in found] == ["a"]
        # Discovery must point back to http, or a second client of the account would ask for TLS.
        assert client.client_connection.WriteEndpoint == cosmos.endpoint


def test_a_stopped_server_leaves_no_process(tmp_path: Path) -> None:
    server = CosmosEmulator(tmp_path).start()
    pid = server.process.pid
    assert pid is not None
    assert _alive(pid)
    server.stop()
    assert not _alive(pid)


def test_a_server_dies_with_its_starter_even_on_sigkill(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from fanreel.local.servers import CosmosEmulator\n"
        "server = CosmosEmulator(pathlib.Path(sys.argv[1])).start()\n"
        "print(server.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    if sys.platform != "linux":
        os.kill(pid, signal.SIGTERM)
        pytest.skip("only Linux can tie a child to its parent's death")
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def test_a_missing_node_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputRejected, match=r"node_missing: .*Node\.js 20"):
        Azurite(tmp_path).start()


def test_a_missing_package_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "project_root", lambda: tmp_path)
    with pytest.raises(InputRejected, match="make setup"):
        Azurite(tmp_path).start()
