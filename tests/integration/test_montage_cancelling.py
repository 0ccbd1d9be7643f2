"""A montage being rendered tells how far it is, and stops when nobody wants it (real ffmpeg and servers)."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ServiceRequestError

from activities.montage_watch import ASK_EVERY_S, LEAST_STEP, RenderWatch
from activities.montages import abandon_montage, plan_montage, publish_montage, render_montage
from fanreel.adapters.services import Services
from fanreel.contracts import MontageDocument, MontageWork, RenderOutcome
from fanreel.domain.cancelling import UPDATE_CANCELLED, UPDATE_FAILED
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.fans import erase
from functions.montages import answer_cancel, answer_resume, cancel

from .flow_services import services_on
from .montage_sources import H264, make, picture, sound
from .montage_world import WORK, add_video, begin, files, meanwhile, out, plan_and_render, unmatch
from .slow_ffmpeg import FILM, renderers, slow_ffmpeg

pytestmark = pytest.mark.integration

SECONDS = 12
"""How soon a render ends that nobody wants: two polls of the document and a busy machine."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("film") / "film.mp4", *picture(), *sound(), *H264)


@pytest.fixture(scope="module")
def connected(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos, montage_min_ms=3_000, montage_max_ms=8_000, montage_height=240) as services:
        yield services


@pytest.fixture
def services(connected: Services, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """A fan in two real videos; what is rendered is rendered below `tmp_path`."""
    begin(connected, film=film)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return connected


class Slowly:
    """A render under way in a thread, so slow that anything can happen to it."""

    def __init__(self, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.services, self.folder = services, tmp_path
        monkeypatch.setenv("FANREEL_FFMPEG", str(slow_ffmpeg(tmp_path)))
        planned = plan_montage(services, WORK)
        assert planned.needed
        self.work = WORK.model_copy(update={"montage_id": planned.montage_id})

    def until(self, happens: Callable[[], object], *, is_told: bool = False) -> RenderOutcome:
        """Let something happen once ffmpeg runs (or progress is told); return what the render says to it."""
        with ThreadPoolExecutor(1) as pool:
            rendering: Future[RenderOutcome] = pool.submit(render_montage, self.services, self.work)
            end = time.monotonic() + 60
            while not (
                LEAST_STEP < current(self.services).progress < 1 if is_told else renderers(self.folder, FILM)
            ):
                assert not rendering.done(), "finished before anything could happen"
                assert time.monotonic() < end, "never began"
                time.sleep(0.2)
            happens()
            before = time.monotonic()
            outcome = rendering.result()
        assert time.monotonic() - before < SECONDS
        assert renderers(self.folder) == set()
        assert not list(self.folder.glob("fanreel-montage-*"))
        return outcome


@pytest.fixture
def slowly(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slowly:
    return Slowly(services, tmp_path, monkeypatch)


def current(services: Services) -> MontageDocument:
    found = out(services)
    assert found is not None
    return found


def request(fan_id: str = "ada", event_id: str = "cup") -> func.HttpRequest:
    return func.HttpRequest("POST", "/", body=b"", route_params={"fanId": fan_id, "eventId": event_id})


def said(response: func.HttpResponse) -> tuple[int, Any]:
    return response.status_code, json.loads(response.get_body())


def publish(services: Services) -> MontageWork:
    """Publish what is to be planned, without rendering it."""
    work = plan_and_render(services)
    assert publish_montage(services, work).needed
    return work


def make_it(services: Services, work: MontageWork = WORK) -> MontageWork:
    """Plan, really render and publish."""
    planned = plan_montage(services, work)
    assert planned.needed, planned.reason
    work = work.model_copy(update={"montage_id": planned.montage_id})
    assert render_montage(services, work).rendered
    assert publish_montage(services, work).needed
    return work


def test_a_cancelled_montage_stays_cancelled_until_it_is_resumed(
    services: Services, slowly: Slowly, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[int, Any]] = []
    outcome = slowly.until(lambda: answers.append(said(answer_cancel(services, request()))), is_told=True)
    assert (outcome.rendered, outcome.reason) == (False, "cancelled")
    assert [(status, body["status"], body["clips"], body["links"]) for status, body in answers] == [
        (200, "cancelled", [], {})
    ]
    assert files(services) == []
    assert not list(services.blobs.list_names(services.settings.container_results, "fans/"))
    assert said(answer_cancel(services, request()))[0] == 200, "cancelled already"
    add_video(services, "v-3", film=film)
    assert plan_montage(services, WORK).reason == "cancelled", "whatever else comes in"
    abandon_montage(services, WORK)
    held = current(services)
    assert (held.status, held.superseded) == ("cancelled", ())

    monkeypatch.delenv("FANREEL_FFMPEG")
    response, start = answer_resume(services, request())
    assert said(response)[0] == 202
    assert start is not None
    assert start.orchestrator == "make_montage"
    assert isinstance(start.work, MontageWork)
    assert answer_resume(services, request())[1] == start, "the same run, however often it is asked for"
    make_it(services, start.work)
    made = current(services)
    assert (made.status, made.progress, made.cancels) == ("ready", 1.0, 1)
    assert answer_resume(services, request())[1] == start
    assert said(answer_cancel(services, request()))[1]["code"] == "nothing_to_cancel"


def test_what_is_out_stays_out_when_its_update_is_cancelled(
    services: Services, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmatch(services, "v-2")
    first = make_it(services)
    begin_files = files(services)
    add_video(services, "v-3", film=film)
    slowly = Slowly(services, tmp_path, monkeypatch)
    updating = current(services)
    assert (updating.status, updating.montage_id, updating.pending_id) == (
        "ready", first.montage_id, slowly.work.montage_id,
    )  # fmt: skip
    outcome = slowly.until(lambda: cancel(services, "ada", "cup"))
    assert outcome.reason == "cancelled"
    held = current(services)
    assert (held.status, held.reason, held.montage_id) == ("ready", UPDATE_CANCELLED, first.montage_id)
    assert files(services) == begin_files
    assert plan_montage(services, WORK).reason == "cancelled"

    unmatch(services, "v-1")  # what is out shows it
    assert plan_montage(services, WORK).reason == "cancelled"
    hidden = current(services)
    assert (hidden.status, hidden.files, hidden.plan.clips) == ("cancelled", {}, ())
    assert files(services) == [], "held or not, nobody is shown a stranger"

    monkeypatch.delenv("FANREEL_FFMPEG")
    start = answer_resume(services, request())[1]
    assert start is not None
    assert isinstance(start.work, MontageWork)
    make_it(services, start.work)
    assert {clip.video_id for clip in current(services).plan.clips} == {"v-3"}


def test_a_held_update_whose_source_is_missing_has_failed_when_it_is_resumed(
    services: Services, film: Path
) -> None:
    unmatch(services, "v-2")
    first = publish(services)
    add_video(services, "v-3", film=film)
    assert plan_montage(services, WORK).needed
    assert_cancelled(services)
    for video_id in ("v-1", "v-3"):
        services.blobs.delete(services.settings.container_videos, f"cup/{video_id}.mp4")
    start = answer_resume(services, request())[1]
    assert start is not None
    assert isinstance(start.work, MontageWork)
    assert plan_montage(services, start.work).reason == "source_missing"
    failed = current(services)
    assert (failed.status, failed.reason, failed.montage_id) == ("ready", UPDATE_FAILED, first.montage_id)
    response, again = answer_resume(services, request())
    assert (said(response)[1]["code"], again) == ("not_cancelled", None), "that very run has ended"
    add_video(services, "v-4", film=film)
    assert plan_montage(services, WORK).needed, "the next video tries again"


def test_a_fan_who_is_erased_stops_the_render_and_leaves_nothing(services: Services, slowly: Slowly) -> None:
    outcome = slowly.until(lambda: erase(services, "ada"))
    assert (outcome.rendered, outcome.reason) == (False, "overtaken")
    assert out(services) is None
    assert files(services) == []
    assert not list(services.blobs.list_names(services.settings.container_results, "fans/"))


def test_an_overtaken_render_stops_for_the_newer_one(services: Services, slowly: Slowly) -> None:
    def matches_change() -> None:
        unmatch(services, "v-1")
        assert plan_montage(services, WORK).needed

    assert slowly.until(matches_change).reason == "overtaken"
    newer = current(services)
    assert (newer.status, newer.progress) == ("rendering", 0.0), "untouched by the older one's progress"
    assert newer.montage_id != slowly.work.montage_id


def test_a_montage_cancelled_while_it_is_published_is_not_out(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = plan_and_render(services)
    with monkeypatch.context() as patched:
        meanwhile(patched, services, "update", lambda: assert_cancelled(services))
        answer = publish_montage(services, work)
    assert (answer.needed, answer.reason) == (False, "cancelled")
    assert current(services).status == "cancelled"
    assert files(services) == []


def assert_cancelled(services: Services) -> None:
    assert cancel(services, "ada", "cup") is not None


def test_what_cannot_be_cancelled_or_resumed_is_told_with_a_code(services: Services) -> None:
    def codes(fan_id: str = "ada", event_id: str = "cup") -> list[tuple[int, str]]:
        asked = request(fan_id, event_id)
        answers = [said(answer_cancel(services, asked)), said(answer_resume(services, asked)[0])]
        return [(status, body["code"]) for status, body in answers]

    assert codes() == [(404, "not_found")] * 2
    assert codes(fan_id="a/b") == [(400, "bad_id")] * 2
    assert codes(event_id="-") == [(400, "bad_id")] * 2
    assert publish_montage(services, plan_and_render(services)).needed
    assert codes() == [(409, "nothing_to_cancel"), (409, "not_cancelled")]


def test_a_resumption_that_fails_says_so(services: Services) -> None:
    plan_montage(services, WORK)
    cancel(services, "ada", "cup")
    resumed = WORK.model_copy(update={"resumes": 1})
    abandon_montage(services, resumed)
    assert current(services).status == "failed"
    assert said(answer_resume(services, request())[0])[1]["code"] == "not_cancelled"
    assert plan_montage(services, WORK).needed, "the next video tries again"


def test_the_document_is_asked_every_two_seconds_and_a_silent_database_stops_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan_montage(services, WORK)
    work = WORK.model_copy(update={"montage_id": planned.montage_id})
    now = [0.0]
    watch = RenderWatch(services, work, clock=lambda: now[0])
    asked: list[int] = []
    update = services.documents.update

    def counted(*arguments: Any) -> Any:
        asked.append(1)
        if len(asked) == 3:
            raise ServiceRequestError("down")
        return update(*arguments)

    monkeypatch.setattr(services.documents, "update", counted)
    for tenth in range(81):
        now[0] = tenth / 10
        watch.progress(tenth / 100)
        assert not watch.is_unwanted()
    assert len(asked) == 8 / ASK_EVERY_S + 1
    assert current(services).progress == 0.8
    RenderWatch(services, work).is_unwanted()
    assert current(services).progress == 0.8, "a second attempt does not go back"
