"""What uploads and clients set off, on the real Azurite and the real Cosmos emulator."""

import json
from collections.abc import Iterator
from typing import Any

import azure.functions as func
import pytest

from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument, FanPageOutcome, VideoDocument
from fanreel.domain import naming
from fanreel.errors import NotAllowed
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.api import event_videos, fan_montages, read_registration
from functions.fans import erase, register
from functions.intake import Start, receive_selfie, receive_video
from functions.views import FanRegistration

from .flow_services import services_on

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as connected:
        yield connected


def upload_video(services: Services, name: str, content: bytes) -> Start | None:
    client = services.blobs.client(services.settings.container_videos, name)
    client.upload_blob(content, overwrite=True)
    return receive_video(services, client)


def upload_selfie(services: Services, name: str) -> Start | None:
    client = services.blobs.client(services.settings.container_selfies, name)
    client.upload_blob(b"picture", overwrite=True)
    return receive_selfie(services, client)


def fan(name: str, *events: str) -> FanRegistration:
    return FanRegistration.from_wire(
        {"fanId": name, "eventIds": events, "consent": {"given": True, "textVersion": "1"}}
    )


def set_status(services: Services, video_id: str, status: str) -> None:
    services.documents.update(
        VideoDocument, video_id, video_id, lambda one: one.model_copy(update={"status": status})
    )


def test_an_upload_event_delivered_twice_answers_the_same_start(services: Services) -> None:
    first = upload_video(services, "cup/twice.mp4", b"twice")
    client = services.blobs.client(services.settings.container_videos, "cup/twice.mp4")
    assert first is not None
    assert receive_video(services, client) == first


def test_the_same_content_again_starts_nothing(services: Services) -> None:
    assert upload_video(services, "cup/same.mp4", b"same") is not None
    assert upload_video(services, "cup/other-name.mp4", b"same") is None
    assert upload_video(services, "other/same.mp4", b"same") is not None, "another event is another video"


def test_a_failed_video_may_be_uploaded_again(services: Services) -> None:
    first = upload_video(services, "cup/failed.mp4", b"failed")
    assert first is not None
    video_id: str = first.work.to_wire()["videoId"]
    set_status(services, video_id, "failed")
    results = services.settings.container_results
    for name in (naming.failure_blob(video_id, "00000", 1), naming.result_blob(video_id, "00001", 1)):
        services.blobs.put_marker(results, name)
    again = upload_video(services, "cup/failed.mp4", b"failed")
    assert again is not None
    assert again.instance_id != first.instance_id
    assert list(services.blobs.list_names(results, f"{video_id}/")) == [naming.result_blob(video_id, "00001", 1)]
    found = services.documents.get(VideoDocument, video_id, video_id)
    assert found is not None
    assert (found.status, found.instance_id) == ("received", again.instance_id)


@pytest.mark.parametrize("name", ["stray.mp4", "bad event/a.mp4", "-x/a.mp4"])
def test_a_video_outside_an_event_is_rejected_where_users_see_it(services: Services, name: str) -> None:
    assert upload_video(services, name, b"stray") is None
    listed: Any = event_videos(services, "unsorted")["videos"]
    assert [(one["status"], one["reason"]) for one in listed if one["name"] == name] == [("rejected", "bad_path")]


def test_a_fan_is_registered_once_and_completed_later(services: Services) -> None:
    assert register(services, fan("ada", "cup")) == (True, None)
    assert register(services, fan("ada", "cup", "league")) == (False, None)
    found = services.documents.get(FanDocument, "ada", "ada")
    assert found is not None
    assert found.event_ids == ("cup", "league")
    assert found.consent is not None
    assert found.consent.given_at


def test_a_selfie_before_registration_makes_a_fan_without_consent(services: Services) -> None:
    start = upload_selfie(services, "early/1.jpg")
    assert start is not None
    found = services.documents.get(FanDocument, "early", "early")
    assert found is not None
    assert found.consent is None


def test_erasing_leaves_an_empty_tombstone_and_nothing_else(services: Services) -> None:
    register(services, fan("bob", "cup"))
    upload_selfie(services, "bob/1.jpg")
    settings = services.settings
    services.blobs.put_marker(settings.container_montages, "bob/m-1.mp4")
    services.blobs.put_json(
        settings.container_results, naming.montage_plan_blob("bob", "m-1"), FanPageOutcome(fan_ids=())
    )
    assert erase(services, "bob")
    for container in (settings.container_selfies, settings.container_montages, settings.container_results):
        assert not [name for name in services.blobs.list_names(container, "") if "bob/" in name]
    found = services.documents.get(FanDocument, "bob", "bob")
    assert found is not None
    assert (found.status, found.event_ids, found.selfies, found.template) == ("erased", (), (), None)
    assert fan_montages(services, "bob") == {"montages": []}
    assert erase(services, "bob"), "again finishes what was interrupted"
    assert not erase(services, "nobody")
    assert upload_selfie(services, "bob/2.jpg") is None
    assert not services.blobs.exists(settings.container_selfies, "bob/2.jpg")
    with pytest.raises(NotAllowed, match="fan_erased"):
        register(services, fan("bob", "cup"))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_body"),
        (b"[]", "bad_body"),
        (b'{"fanId": "ada"}', "bad_body"),
        (b'{"fanId": "a/b", "eventIds": ["cup"], "consent": {"given": true, "textVersion": "1"}}', "bad_id"),
        (b'{"fanId": "ada", "eventIds": ["no good"], "consent": {"given": true, "textVersion": "1"}}', "bad_id"),
    ],
)
def test_a_bad_registration_is_told_what_is_wrong(body: bytes, code: str) -> None:
    answer = read_registration(func.HttpRequest("POST", "/api/fans", body=body))
    assert isinstance(answer, func.HttpResponse)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    problem = json.loads(answer.get_body())
    assert (problem["code"], problem["status"]) == (code, 400)
    assert problem["title"]
