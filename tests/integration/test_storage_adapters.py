"""Blobs, queues and documents on the real Azurite and the real Cosmos emulator."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fanreel.adapters.queues import JobQueue
from fanreel.adapters.services import Services
from fanreel.contracts import (
    FanDocument,
    FanPageOutcome,
    SegmentDone,
    VideoDocument,
)
from fanreel.errors import ContractBroken, InputRejected
from fanreel.local.servers import Azurite, CosmosEmulator

from .flow_services import services_on

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as connected:
        yield connected


def page(*fan_ids: str) -> FanPageOutcome:
    return FanPageOutcome(fan_ids=fan_ids)


def done(reason: str | None = None) -> SegmentDone:
    return SegmentDone(
        video_id="v-1",
        segment_id="00000",
        attempt=1,
        instance_id="i",
        event_name="e",
        outcome="done",
        reason=reason,
    )


class TestBlobs:
    def test_a_result_is_written_once(self, services: Services) -> None:
        blobs, results = services.blobs, services.settings.container_results
        assert blobs.put_json(results, "once", page("first")) is True
        assert blobs.put_json(results, "once", page("second")) is False
        assert blobs.get_json(results, "once", FanPageOutcome) == page("first")
        assert blobs.put_json(results, "once", page("third"), overwrite=True) is True
        assert blobs.require_json(results, "once", FanPageOutcome) == page("third")

    def test_of_many_writers_exactly_one_wins(self, services: Services) -> None:
        def write(index: int) -> bool:
            return services.blobs.put_json(services.settings.container_results, "race", page(str(index)))

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(write, range(8))) == [False] * 7 + [True]

    def test_what_is_missing_or_foreign_is_told_apart(self, services: Services) -> None:
        blobs, results = services.blobs, services.settings.container_results
        assert blobs.get_json(results, "nothing", FanPageOutcome) is None
        assert blobs.age_seconds(results, "nothing") is None
        assert blobs.etag(results, "nothing") is None
        with pytest.raises(ContractBroken, match="blob_missing"):
            blobs.require_json(results, "nothing", FanPageOutcome)
        blobs.client(results, "foreign").upload_blob(b"{}")
        with pytest.raises(ContractBroken, match="blob_contract"):
            blobs.get_json(results, "foreign", FanPageOutcome)

    def test_a_small_blob_is_read_in_one_version_and_within_bounds(self, services: Services) -> None:
        blobs, selfies = services.blobs, services.settings.container_selfies
        blobs.client(selfies, "ada/1.jpg").upload_blob(b"x" * 1000)
        blobs.client(selfies, "ada/empty.jpg").upload_blob(b"")
        etag, empty = blobs.etag(selfies, "ada/1.jpg"), blobs.etag(selfies, "ada/empty.jpg")
        assert etag is not None
        assert empty is not None
        assert blobs.read_bytes(selfies, "ada/1.jpg", limit_bytes=1000, etag=etag) == b"x" * 1000
        assert blobs.read_bytes(selfies, "ada/empty.jpg", limit_bytes=1000, etag=empty) == b""
        for name, limit, version, code in (
            ("ada/1.jpg", 999, etag, "file_too_large"),
            ("ada/1.jpg", 1000, empty, "blob_changed"),
            ("ada/2.jpg", 1000, etag, "blob_missing"),
        ):
            with pytest.raises(InputRejected) as rejected:
                blobs.read_bytes(selfies, name, limit_bytes=limit, etag=version)
            assert rejected.value.code == code

    def test_names_and_prefixes(self, services: Services) -> None:
        blobs, results = services.blobs, services.settings.container_results
        for name in ("p/2", "p/1", "p/10", "q/1"):
            blobs.put_marker(results, name)
        assert list(blobs.list_names(results, "p/")) == ["p/1", "p/10", "p/2"]
        age = blobs.age_seconds(results, "p/1")
        assert age is not None
        assert age < 60
        assert blobs.delete_prefix(results, "p/") == 3
        assert list(blobs.list_names(results, "p/")) == []
        assert blobs.exists(results, "q/1")

    def test_a_link_reads_this_blob_only(self, services: Services, tmp_path: Path) -> None:
        blobs, montages = services.blobs, services.settings.container_montages
        (tmp_path / "a.mp4").write_bytes(b"film")
        for name in ("ada/a.mp4", "bob/a.mp4"):
            blobs.upload_file(montages, name, tmp_path / "a.mp4")
        url = blobs.download_url(montages, "ada/a.mp4", filename="final.mp4")
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"film"
            assert answer.headers["Content-Type"] == "video/mp4"
            assert answer.headers["Content-Disposition"] == 'attachment; filename="final.mp4"'
        for method, target in (("GET", url.replace("ada/", "bob/")), ("DELETE", url), ("GET", url.split("?")[0])):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(target, method=method))
            refused.value.close()
            assert refused.value.code in {403, 404, 409}

    def test_a_link_expires(self, services: Services) -> None:
        montages = services.settings.container_montages
        services.blobs.put_marker(montages, "ada/old")
        url = services.blobs.download_url(montages, "ada/old", minutes=-1)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)
        refused.value.close()
        assert refused.value.code == 403


class TestQueues:
    @pytest.fixture
    def queue(self, services: Services, request: pytest.FixtureRequest) -> Iterator[JobQueue]:
        queue = JobQueue(services.settings, f"q{abs(hash(request.node.name)) % 10**8}")
        queue.ensure()
        yield queue
        queue.close()

    def test_a_leased_message_is_invisible_until_handed_back(self, queue: JobQueue) -> None:
        queue.send(done())
        lease = queue.lease(60)
        assert lease is not None
        assert SegmentDone.from_wire(lease.content) == done()
        assert queue.lease(60) is None
        assert queue.hand_back(lease)
        again = queue.lease(60)
        assert again is not None
        assert again.dequeue_count == 2
        assert queue.delete(again)
        assert queue.depth() == 0

    def test_a_lost_lease_is_noticed_and_harms_nobody(self, queue: JobQueue) -> None:
        queue.send(done())
        first = queue.lease(1)
        time.sleep(1.5)
        second = queue.lease(60)
        assert first is not None
        assert second is not None
        assert queue.renew(first, 60) is False
        assert queue.delete(first) is False
        assert queue.renew(second, 60) is True
        assert queue.delete(second) is True

    def test_renewing_keeps_a_message_leased(self, queue: JobQueue) -> None:
        queue.send(done())
        lease = queue.lease(1)
        assert lease is not None
        for _ in range(3):
            time.sleep(0.6)
            assert queue.renew(lease, 1)
            assert queue.lease(1) is None
        assert queue.delete(lease)

    def test_messages_are_base64_as_the_functions_trigger_reads_them(
        self, services: Services, queue: JobQueue
    ) -> None:
        from azure.storage.queue import QueueClient, TextBase64DecodePolicy

        queue.send(done("ä"))
        connection = services.settings.storage_connection
        assert connection is not None
        with QueueClient.from_connection_string(
            connection.get_secret_value(), queue.name, message_decode_policy=TextBase64DecodePolicy()
        ) as client:
            (message,) = client.peek_messages()
            assert SegmentDone.from_wire(message.content).reason == "ä"

    def test_what_is_not_base64_goes_to_the_poison_queue(self, services: Services, queue: JobQueue) -> None:
        from azure.storage.queue import QueueClient

        connection = services.settings.storage_connection
        assert connection is not None
        with QueueClient.from_connection_string(connection.get_secret_value(), queue.name) as client:
            client.send_message("{not base64}")
        assert queue.lease(60) is None
        poison = JobQueue(services.settings, queue.poison_name)
        lease = poison.lease(60)
        poison.close()
        assert lease is not None
        assert lease.content == "{not base64}"

    def test_a_message_over_the_limit_is_a_bug(self, queue: JobQueue) -> None:
        with pytest.raises(ContractBroken, match="message_too_large"):
            queue.send(done("x" * 50_000))


def video(video_id: str, **changes: object) -> VideoDocument:
    document = VideoDocument(
        id=video_id,
        video_id=video_id,
        event_id="final",
        name="a.mp4",
        blob_name="final/a.mp4",
        blob_etag="0x1",
        instance_id="i",
        status="received",
    )
    return document.model_copy(update=changes)


class TestDocuments:
    def test_create_get_and_delete(self, services: Services) -> None:
        documents = services.documents
        written = documents.create(video("v-create"))
        assert written is not None
        assert written.etag
        assert written.created_at == written.updated_at
        assert documents.create(video("v-create", name="other")) is None
        found = documents.get(VideoDocument, "v-create", "v-create")
        assert found == written
        assert documents.get(VideoDocument, "v-nothing", "v-nothing") is None
        assert documents.delete(VideoDocument, "v-create", "v-create") is True
        assert documents.delete(VideoDocument, "v-create", "v-create") is False

    def test_an_update_keeps_when_it_was_created(self, services: Services) -> None:
        created = services.documents.upsert(video("v-times"))
        time.sleep(0.01)
        changed = services.documents.update(
            VideoDocument, "v-times", "v-times", lambda one: one.model_copy(update={"status": "ready"})
        )
        assert changed is not None
        assert (changed.created_at, changed.status) == (created.created_at, "ready")
        assert changed.updated_at != created.updated_at

    def test_racing_updates_lose_nothing(self, services: Services) -> None:
        services.documents.upsert(video("v-race"))

        def add_a_person(_: int) -> None:
            services.documents.update(
                VideoDocument,
                "v-race",
                "v-race",
                lambda one: one.model_copy(update={"people": one.people + 1}),
            )

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add_a_person, range(20)))
        found = services.documents.get(VideoDocument, "v-race", "v-race")
        assert found is not None
        assert found.people == 20

    def test_an_update_may_decline(self, services: Services) -> None:
        before = services.documents.upsert(video("v-decline"))
        assert services.documents.update(VideoDocument, "v-decline", "v-decline", lambda _: None) == before
        assert services.documents.update(VideoDocument, "v-none", "v-none", lambda one: one) is None

    def test_a_patch_touches_one_field_only(self, services: Services) -> None:
        services.documents.upsert(video("v-patch", segment_states={"00000": "queued", "00001": "queued"}))
        for _ in range(2):
            services.documents.patch(VideoDocument, "v-patch", "v-patch", {"/segmentStates/00001": "done"})
        found = services.documents.get(VideoDocument, "v-patch", "v-patch")
        assert found is not None
        assert found.segment_states == {"00000": "queued", "00001": "done"}

    def test_queries_stay_in_their_partition_or_visit_all(self, services: Services) -> None:
        fans = [
            FanDocument(id=name, fan_id=name, event_ids=events)
            for name, events in (("ada", ("final", "semi")), ("bob", ("semi",)), ("cyd", ("final",)))
        ]
        assert services.documents.upsert_many(fans) == 3
        where, values = "ARRAY_CONTAINS(c.eventIds, @event)", {"@event": "final"}
        query = services.documents.query
        assert {fan.fan_id for fan in query(FanDocument, where, values)} == {"ada", "cyd"}
        assert [fan.fan_id for fan in query(FanDocument, where, values, partition="ada")] == ["ada"]
        assert list(query(FanDocument, where, values, partition="bob")) == []
        rows = list(services.documents.select(FanDocument, ["id"], "", {}, partition="bob"))
        assert rows == [{"id": "bob"}]

    def test_values_are_parameters_and_no_query_text(self, services: Services) -> None:
        found = services.documents.query(VideoDocument, "c.eventId = @event", {"@event": "x' OR 'a' = 'a"})
        assert list(found) == []
