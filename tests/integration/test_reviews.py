"""What people say about a face, from the question to the montage (real Azurite, Cosmos emulator and ffmpeg)."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints
from urllib.request import urlopen

import azure.durable_functions as df
import azure.functions as func
import pytest

from activities import matching, montages
from activities.matching import search_fan, search_video
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource, fingerprint
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    Document,
    FaceRef,
    FanDocument,
    FanSearch,
    MatchDocument,
    MontageDocument,
    ReviewDocument,
    SegmentPlanDocument,
    SelfieRecord,
    Shot,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.domain.media import plan_segments
from fanreel.errors import FanreelError, InputRejected, NotAllowed, TransientFault
from fanreel.local.servers import Azurite, CosmosEmulator
from functions import reviews as api
from functions.fans import erase, register
from functions.intake import Start
from functions.reviews import VerdictGiven, heard_from_operator, questions_page, read_verdict
from functions.verdicts import Heard, give_verdict, not_me, open_questions, review_id_of
from functions.views import FanRegistration
from orchestrators.montages import make_montage
from orchestrators.reviews import apply_review
from tests.unit.matching_world import CONSENT, CONTRACT, EVENT, appearance, fan, person, seen_at
from tests.unit.orchestration import FakeContext, FakeTask, drive

from .flow_services import services_on
from .montage_sources import H264, make, picture, sound

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("made_templates")]

CLOSE, NEARLY = 0.40, 0.60
KINDS: tuple[type[Document], ...] = (
    FanDocument, MatchDocument, MontageDocument, VideoDocument, AppearanceDocument, ReviewDocument,
)  # fmt: skip
ACTIVITIES: dict[str, Any] = {
    one.__name__: one
    for one in (
        matching.search_fan, matching.load_searched_fans, montages.plan_montage, montages.render_montage,
        montages.publish_montage, montages.abandon_montage,
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("film") / "final.mp4", *picture(), *sound(), *H264)


@pytest.fixture(scope="module")
def connected(azurite: Azurite, cosmos: CosmosEmulator, film: Path) -> Iterator[Services]:
    with services_on(azurite, cosmos, montage_min_ms=3_000, montage_max_ms=8_000, montage_height=240) as services:
        blob = f"{EVENT}/final.mp4"
        services.blobs.client(services.settings.container_videos, blob).upload_blob(film.read_bytes())
        media = probe(FileSource(film))
        plan = SegmentPlanDocument(
            video_id=video_id(film), media=media, segments=plan_segments(media, target_ms=45_000, overlap_ms=1_000)
        )
        services.blobs.put_json(services.settings.container_results, naming.plan_blob(video_id(film)), plan)
        yield services


def video_id(film: Path) -> str:
    return naming.video_id(EVENT, fingerprint(FileSource(film)))


class World:
    """An event with one real video, and what a test puts into it."""

    def __init__(self, services: Services, video: str) -> None:
        self.services, self.documents, self.video = services, services.documents, video

    def sees(self, index: int, who: int, distance: float, **changes: Any) -> AppearanceDocument:
        """Put an appearance of person `who` into the video, four seconds long."""
        start_ms = int(changes.pop("start_ms", 500 + 6_000 * index))
        pts = tuple(range(start_ms, start_ms + 4_001, 200))
        left = int(changes.pop("left", 40))
        one = appearance(
            naming.appearance_id(self.video, index),
            seen_at(person(who), distance, noise=index),
            video_id=self.video,
            pts_ms=pts,
            start_ms=start_ms,
            end_ms=start_ms + 4_000,
            boxes=((left, 40, left + 60, 120),) * len(pts),
            shot_index=start_ms // 6_000,
            excitement_curve=(0.5,) * len(pts),
            best_face=FaceRef(pts_ms=start_ms, box=(left, 40, left + 60, 120), quality=0.9),
            **changes,
        )
        return self.documents.upsert(one)

    def outcomes(self) -> dict[tuple[str, str], str]:
        found = self.documents.query(MatchDocument, "", {})
        return {(one.fan_id, one.appearance_id): one.decision for one in found}

    def search(self) -> None:
        search_video(self.services, self.video, EVENT, lambda _: None)

    def montage(self, fan_id: str) -> MontageDocument | None:
        return self.documents.get(MontageDocument, naming.montage_document_id(EVENT), fan_id)

    def carry_out(self, start: Start) -> Any:
        """Run the workflow a verdict starts, with the real activities."""
        assert start.orchestrator == "apply_review"
        context: Any = FakeContext(start.work.to_wire(), start.instance_id)
        run = drive(apply_review(context), self._do)
        if run.error is not None:
            raise run.error
        return run.result

    def _do(self, task: FakeTask) -> Any:
        if task.kind == "all":
            return [self._do(child) for child in task.children]
        if task.kind == "sub":
            context: Any = FakeContext(task.input, task.instance_id or "")
            return drive(make_montage(context), self._do).result
        step = ACTIVITIES[task.name]
        try:
            outcome = step(self.services, get_type_hints(step)["work"].from_wire(task.input))
        except FanreelError as broke:
            return broke  # thrown into the orchestrator
        return None if outcome is None else outcome.to_wire()


@pytest.fixture
def world(connected: Services, film: Path) -> World:
    documents = connected.documents
    for kind in KINDS:
        for one in list(documents.query(kind, "", {})):
            documents.delete(kind, one.id, str(_partition(one)))
    video = video_id(film)
    documents.create(
        VideoDocument(
            id=video,
            video_id=video,
            event_id=EVENT,
            name="final.mp4",
            blob_name=f"{EVENT}/final.mp4",
            blob_etag=connected.blobs.etag(connected.settings.container_videos, f"{EVENT}/final.mp4") or "",
            instance_id="i",
            status="ready",
            duration_ms=12_000,
            shots=(Shot(start_ms=0, end_ms=6_000), Shot(start_ms=6_000, end_ms=12_000)),
        )
    )
    documents.create(fan("ann", person(0)))
    return World(connected, video)


def _partition(one: Document) -> object:
    if isinstance(one, ReviewDocument):
        return one.event_id
    return one.video_id if isinstance(one, VideoDocument | AppearanceDocument) else getattr(one, "fan_id")  # noqa: B009


def say(world: World, answer: Any, one: AppearanceDocument, fan_id: str = "ann", **more: Any) -> Heard:
    return give_verdict(world.services, fan_id, one.id, answer, "eve", event_id=EVENT, **more)


def test_a_question_that_is_answered_with_the_same_becomes_a_montage(world: World) -> None:
    seen = world.sees(0, 0, NEARLY)
    world.search()
    assert world.outcomes() == {("ann", seen.id): "review"}
    (question,) = open_questions(world.services, EVENT)

    given = VerdictGiven(match_id=question.match.id, verdict="same", by="eve", review_id=question.review_id)
    heard = heard_from_operator(world.services, EVENT, given)
    assert (heard.is_new, heard.review.latest.by) == (True, "eve")
    assert open_questions(world.services, EVENT) == [], "at once, before anything was matched again"
    assert world.carry_out(heard.start) == {"fans": 1}
    assert world.outcomes() == {("ann", seen.id): "match"}
    montage = world.montage("ann")
    assert montage is not None
    assert (montage.status, {clip.appearance_id for clip in montage.plan.clips}) == ("ready", {seen.id})
    assert world.services.blobs.exists(world.services.settings.container_montages, montage.files["mp4"])

    again = heard_from_operator(world.services, EVENT, given)
    assert (again.is_new, again.start) == (False, heard.start), "said twice starts what was started"
    world.carry_out(again.start)
    assert world.montage("ann") == montage


def test_not_me_takes_the_moment_out_and_it_stays_out(world: World) -> None:
    """Also after another analysis, in which the ids of appearances mean other faces."""
    wrong, right = world.sees(0, 0, CLOSE, person_id="p-1"), world.sees(1, 0, CLOSE, person_id="p-2")
    world.search()
    world.carry_out(Start("apply_review", "x", FanSearch(fan_id="ann", event_id=EVENT, video_id=world.video)))
    before = world.montage("ann")
    assert before is not None
    assert {clip.appearance_id for clip in before.plan.clips} == {wrong.id, right.id}

    heard = not_me(world.services, "ann", wrong.id)
    assert (heard.review.latest.answer, heard.review.latest.by) == ("different", "fan")
    world.carry_out(heard.start)
    assert world.outcomes() == {("ann", right.id): "match"}
    after = world.montage("ann")
    assert after is not None
    assert (after.status, {clip.appearance_id for clip in after.plan.clips}) == ("ready", {right.id})
    assert not world.services.blobs.exists(world.services.settings.container_montages, before.files["mp4"])
    assert not not_me(world.services, "ann", wrong.id).is_new

    world.documents.upsert(wrong.model_copy(update={"id": right.id}))
    world.documents.upsert(right.model_copy(update={"id": wrong.id}))
    world.search()
    assert world.outcomes() == {("ann", wrong.id): "match"}, "the other face has this id now"


def test_ruling_out_the_only_match_withdraws_the_montage(world: World) -> None:
    seen = world.sees(0, 0, CLOSE)
    world.search()
    world.carry_out(Start("apply_review", "x", FanSearch(fan_id="ann", event_id=EVENT, video_id=world.video)))
    assert world.montage("ann") is not None
    world.carry_out(say(world, "different", seen).start)
    assert (world.outcomes(), world.montage("ann")) == ({}, None)
    search_fan(world.services, FanSearch(fan_id="ann", event_id=EVENT))
    assert world.outcomes() == {}, "nor does a new selfie's search bring it back"
    heard = say(world, "same", seen)
    assert [one.answer for one in heard.review.verdicts] == ["different", "same"], "the history is kept"
    world.carry_out(heard.start)
    assert world.outcomes() == {("ann", seen.id): "match"}


def test_not_me_counts_again_after_consent_was_taken_back_and_given_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, instances = world.sees(0, 0, CLOSE), Instances()
    body = {"fanId": "ann", "appearanceId": seen.id}
    for _ in range(2):
        world.documents.upsert(fan("ann", person(0)))  # with a selfie and consent, as at first
        world.search()
        assert world.outcomes() == {("ann", seen.id): "match"}
        assert post(world, monkeypatch, instances, body)[0] == 202
        world.carry_out(Start("apply_review", instances.started[-1][1], instances.work[-1]))
        assert world.outcomes() == {}
        withdrawn = {"fanId": "ann", "eventIds": [EVENT], "consent": {"given": False, "textVersion": "1"}}
        register(world.services, FanRegistration.from_wire(withdrawn))
    assert len(set(instances.started)) == 2, "a finished instance is not started again"


def test_the_first_verdict_after_an_erasure_is_not_taken_for_the_first_before_it(world: World) -> None:
    seen = world.sees(0, 0, NEARLY)
    world.carry_out(say(world, "different", seen).start)
    withdrawn = {"fanId": "ann", "eventIds": [EVENT], "consent": {"given": False, "textVersion": "1"}}
    register(world.services, FanRegistration.from_wire(withdrawn))
    world.documents.upsert(fan("ann", person(0)))
    world.carry_out(say(world, "same", seen).start)
    assert world.outcomes() == {("ann", seen.id): "match"}


def test_nobody_overrules_what_a_fan_says_of_themselves(world: World) -> None:
    seen = world.sees(0, 0, NEARLY)
    world.search()
    (question,) = open_questions(world.services, EVENT)
    assert not_me(world.services, "ann", seen.id).is_new
    old = VerdictGiven(match_id=question.match.id, verdict="same", by="eve", review_id=question.review_id)
    for given in (old, old.model_copy(update={"verdicts": question.verdicts})):
        with pytest.raises(NotAllowed, match="fan_said_not_me"):
            heard_from_operator(world.services, EVENT, given)
    world.documents.upsert(seen.model_copy(update={"end_ms": seen.end_ms + 100}))
    with pytest.raises(NotAllowed, match="fan_said_not_me"):
        say(world, "same", seen)
    (review,) = world.documents.query(ReviewDocument, "", {})
    assert [(one.answer, one.by) for one in review.verdicts] == [("different", "fan")]


def test_a_fans_word_stands_though_an_operator_said_it_first_or_speaks_at_the_same_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (world.sees(index, 0, NEARLY) for index in range(2))
    world.search()
    say(world, "different", first)
    assert not_me(world.services, "ann", first.id).is_new
    assert not not_me(world.services, "ann", first.id).is_new
    with pytest.raises(NotAllowed, match="fan_said_not_me"):
        say(world, "same", first)

    create = world.documents.create

    def fan_first(document: Any) -> Any:
        monkeypatch.undo()
        not_me(world.services, "ann", second.id)
        return create(document)

    monkeypatch.setattr(world.documents, "create", fan_first)
    with pytest.raises(NotAllowed, match="fan_said_not_me"):
        say(world, "same", second)


def test_an_answer_does_not_overrule_what_was_said_since_the_question_was_shown(world: World) -> None:
    seen = world.sees(0, 0, NEARLY)
    world.search()
    page: Any = questions_page(world.services, EVENT, "")
    (view,) = page["questions"]
    assert view["verdicts"] == 0
    given = VerdictGiven(
        match_id=view["matchId"], verdict="different", by="eve", review_id=view["reviewId"], verdicts=0
    )
    assert heard_from_operator(world.services, EVENT, given).is_new
    assert not heard_from_operator(world.services, EVENT, given).is_new, "the same answer can be sent again"
    late = given.model_copy(update={"verdict": "same", "by": "bea"})
    with pytest.raises(NotAllowed, match="question_changed"):
        heard_from_operator(world.services, EVENT, late)
    assert heard_from_operator(world.services, EVENT, late.model_copy(update={"verdicts": 1})).is_new
    world.documents.delete(ReviewDocument, view["reviewId"], EVENT)
    with pytest.raises(NotAllowed, match="question_changed"):
        say(world, "same", seen, verdicts=2)
    assert list(world.documents.query(ReviewDocument, "", {})) == []


def test_a_second_face_of_the_same_frame_is_not_the_same_fan(world: World) -> None:
    one, other = world.sees(0, 0, NEARLY), world.sees(1, 0, NEARLY, start_ms=1_000, left=200)
    say(world, "same", one)
    with pytest.raises(NotAllowed, match="two_faces_of_one_frame"):
        say(world, "same", other)
    world.documents.create(fan("bob", person(1)))
    with pytest.raises(NotAllowed, match="appearance_of_another_fan"):
        say(world, "same", one, "bob")
    say(world, "different", one)
    assert say(world, "same", other).is_new
    assert say(world, "same", one, "bob").is_new


@pytest.mark.parametrize(
    ("fan_changes", "seen_changes", "code"),
    [
        ({"template": None}, {}, "fan_cannot_be_matched"),
        ({"model_contract": CONTRACT.model_copy(update={"sha256": "1" * 64})}, {}, "fan_cannot_be_matched"),
        ({}, {"template": None, "model_contract": None}, "appearance_cannot_be_matched"),
        ({"consent": CONSENT.model_copy(update={"given": False})}, {}, "consent_missing"),
        ({"status": "erased"}, {}, "not_found"),
        ({"event_ids": ("another",)}, {}, "not_found"),
        ({}, {"event_id": "another"}, "not_found"),
    ],
)
def test_what_cannot_be_a_match_is_not_recognised(
    world: World, fan_changes: dict[str, Any], seen_changes: dict[str, Any], code: str
) -> None:
    seen = world.sees(0, 0, NEARLY, **seen_changes)
    world.documents.upsert(fan("ann", person(0), **fan_changes))
    with pytest.raises((InputRejected, NotAllowed), match=code):
        say(world, "same", seen)
    assert list(world.documents.query(ReviewDocument, "", {})) == []


def test_an_answer_to_a_question_that_has_changed_is_refused(world: World) -> None:
    seen = world.sees(0, 0, NEARLY)
    world.search()
    (question,) = open_questions(world.services, EVENT)
    world.documents.upsert(seen.model_copy(update={"end_ms": seen.end_ms + 100}))
    assert open_questions(world.services, EVENT) == [], "nobody is asked about what is no longer there"
    with pytest.raises(NotAllowed, match="question_changed"):
        give_verdict(world.services, "ann", seen.id, "same", "eve", review_id=question.review_id)
    with pytest.raises(NotAllowed, match="question_changed"):
        not_me(world.services, "ann", seen.id)


def test_of_two_faces_with_one_span_only_the_one_that_was_looked_at_is_meant(world: World) -> None:
    """Two people are visible for a whole shot, and another analysis exchanges their ids."""
    looked_at = world.sees(0, 0, NEARLY)
    world.search()
    (question,) = open_questions(world.services, EVENT)
    start = looked_at.boxes[0]
    world.documents.upsert(looked_at.model_copy(update={"boxes": (start, *((200, 40, 260, 120),) * 20)}))
    assert open_questions(world.services, EVENT) == []
    with pytest.raises(NotAllowed, match="question_changed"):
        not_me(world.services, "ann", looked_at.id)
    with pytest.raises(NotAllowed, match="question_changed"):
        say(world, "same", looked_at, review_id=question.review_id)


def test_a_fan_speaks_only_of_what_they_were_matched_with(world: World) -> None:
    seen = world.sees(0, 1, CLOSE)
    world.search()
    for name in (seen.id, "v-nowhere-a00000", "nonsense"):
        with pytest.raises(InputRejected, match="not_found"):
            not_me(world.services, "ann", name)


def test_erasing_a_fan_erases_what_was_said_of_them(world: World) -> None:
    seen = world.sees(0, 0, CLOSE)
    world.documents.create(fan("bob", person(1)))
    say(world, "different", seen, "bob")
    say(world, "different", seen)
    assert erase(world.services, "ann")
    assert [one.fan_id for one in world.documents.query(ReviewDocument, "", {})] == ["bob"]
    withdrawn = {"fanId": "bob", "eventIds": [EVENT], "consent": {"given": False, "textVersion": "1"}}
    register(world.services, FanRegistration.from_wire(withdrawn))
    assert list(world.documents.query(ReviewDocument, "", {})) == []


def test_a_verdict_on_somebody_erased_meanwhile_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = world.sees(0, 0, CLOSE)
    create = world.documents.create

    def erased_first(document: Any) -> Any:
        monkeypatch.undo()
        erase(world.services, "ann")
        return create(document)

    monkeypatch.setattr(world.documents, "create", erased_first)
    with pytest.raises(InputRejected, match="not_found"):
        say(world, "different", seen)
    assert list(world.documents.query(ReviewDocument, "", {})) == []


@pytest.mark.parametrize("breaks", [False, True])
def test_nothing_is_left_of_a_fan_who_is_erased_before_their_verdict_counts(
    world: World, monkeypatch: pytest.MonkeyPatch, *, breaks: bool
) -> None:
    seen = world.sees(0, 0, CLOSE)
    world.search()
    start = not_me(world.services, "ann", seen.id).start
    erase(world.services, "ann")

    def broken(*_: Any, **__: Any) -> None:
        raise InputRejected("broken", "This search cannot be done.")

    if breaks:
        monkeypatch.setattr(matching, "search_video", broken)
        with pytest.raises(InputRejected, match="broken"):
            world.carry_out(start)
    else:
        assert world.carry_out(start) == {"fans": 1}, "who is affected is known all the same"
    blobs, container = world.services.blobs, world.services.settings.container_results
    assert list(blobs.list_names(container, naming.fan_results_prefix("ann"))) == []


def test_a_match_of_an_earlier_network_can_be_ruled_out(world: World) -> None:
    seen = world.sees(0, 0, CLOSE)
    world.search()
    later = CONTRACT.model_copy(update={"sha256": "1" * 64})
    world.documents.upsert(fan("ann", person(0), model_contract=later))
    world.search()
    assert world.outcomes() == {("ann", seen.id): "match"}
    world.carry_out(say(world, "different", seen).start)
    assert world.outcomes() == {}


def test_many_answers_at_once_are_one_search(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = [world.sees(index, 0, NEARLY) for index in range(2)]
    world.search()
    starts = [say(world, "same", one).start for one in faces]
    searches: list[int] = []
    decide = matching.decide_matches

    def counted(*arguments: Any, **more: Any) -> Any:
        searches.append(1)
        return decide(*arguments, **more)

    monkeypatch.setattr(matching, "decide_matches", counted)
    for start in starts:
        world.carry_out(start)
    assert len(searches) == 1
    assert set(world.outcomes().values()) == {"match"}
    say(world, "different", faces[0])
    world.carry_out(starts[0])
    assert len(searches) == 2, "what was said since is searched for"


def test_a_search_that_broke_while_writing_is_done_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = world.sees(0, 0, CLOSE)
    world.search()
    start = say(world, "different", seen).start
    delete = world.documents.delete

    def broken(kind: Any, *rest: Any, **more: Any) -> bool:
        if kind is MatchDocument:
            monkeypatch.undo()
            raise TransientFault("storage", "Storage is busy.")
        return delete(kind, *rest, **more)

    monkeypatch.setattr(world.documents, "delete", broken)
    assert isinstance(start.work, FanSearch)
    with pytest.raises(TransientFault):
        search_fan(world.services, start.work)
    assert world.outcomes() == {("ann", seen.id): "match"}
    world.carry_out(start)
    assert world.outcomes() == {}


# --- over HTTP ---------------------------------------------------------------------------------------


def test_a_question_shows_what_a_person_needs_and_no_template(world: World) -> None:
    selfies = world.services.settings.container_selfies
    world.services.blobs.client(selfies, "ann/1.jpg").upload_blob(b"a picture", overwrite=True)
    ann = fan("ann", person(0))
    record = SelfieRecord(blob_name="ann/1.jpg", blob_etag="1", status="accepted", template=ann.template)
    world.documents.upsert(ann.model_copy(update={"selfies": (record,)}))
    seen = world.sees(0, 0, NEARLY)
    world.search()
    page: Any = questions_page(world.services, EVENT, "")
    (view,) = page["questions"]
    assert (page["total"], page["next"]) == (1, None)
    assert (view["fanId"], view["appearanceId"], view["startMs"], view["endMs"]) == ("ann", seen.id, 500, 4_500)
    assert view["evidence"]["threshold"] < view["evidence"]["distance"] < view["evidence"]["reviewThreshold"]
    assert view["bestFace"] == {"ptsMs": 500, "box": [40, 40, 100, 120], "quality": 0.9}
    assert view["links"]["moment"].endswith("#t=0.5,4.5")
    with urlopen(view["links"]["selfies"][0]) as answer:
        assert answer.read() == b"a picture"
    text = json.dumps(page)
    assert "template" not in text.replace("of the templates", "")
    assert ann.template is not None
    assert ann.template.data not in text


def test_questions_come_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE", 1)
    faces = [world.sees(index, 0, NEARLY) for index in range(2)]
    world.search()
    first: Any = questions_page(world.services, EVENT, "")
    second: Any = questions_page(world.services, EVENT, first["next"])
    shown = [one["appearanceId"] for page in (first, second) for one in page["questions"]]
    assert shown == [one.id for one in faces]
    assert (first["total"], second["next"]) == (2, None)
    assert questions_page(world.services, EVENT, shown[-1] + "~") == {
        "total": 2,
        "questions": [],
        "duplicates": [],
        "next": None,
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_body"),
        (b'{"matchId": "m", "verdict": "perhaps", "by": "eve"}', "bad_body"),
        (b'{"matchId": "m", "verdict": "same"}', "bad_body"),
        (b'{"matchId": "m", "verdict": "same", "by": ""}', "bad_body"),
        (b'{"fanId": "ann", "verdict": "same", "by": "eve"}', "bad_body"),
        (b'{"matchId": "m", "verdict": "different", "by": "fan"}', "bad_body"),
        (b'{"matchId": "m", "verdict": "different", "by": "eve", "verdicts": -1}', "bad_body"),
        (b'{"matchId": "a/b", "verdict": "different", "by": "eve"}', "bad_id"),
        (b'{"fanId": "ann", "appearanceId": "../x", "verdict": "different", "by": "eve"}', "bad_id"),
    ],
)
def test_a_bad_verdict_is_told_what_is_wrong(body: bytes, code: str) -> None:
    answer = read_verdict(func.HttpRequest("POST", "/api/events/final/reviews", body=body))
    assert isinstance(answer, func.HttpResponse)
    assert (answer.status_code, json.loads(answer.get_body())["code"]) == (400, code)


def test_only_what_was_looked_at_is_recognised() -> None:
    """After another analysis the other ids may mean a stranger."""
    for named in ({"matchId": "m"}, {"fanId": "ann", "appearanceId": "a"}):
        body: dict[str, Any] = {**named, "verdict": "same", "by": "eve"}
        answer = read_verdict(func.HttpRequest("POST", "/api/x", body=json.dumps(body).encode()))
        assert isinstance(answer, func.HttpResponse)
        view = json.loads(answer.get_body())
        assert (answer.status_code, view["code"]) == (400, "bad_body")
        assert "reviewId" in view["detail"]
        body |= {"reviewId": "r-1"}
        given = read_verdict(func.HttpRequest("POST", "/api/x", body=json.dumps(body).encode()))
        assert given == VerdictGiven.from_wire(body)


class Instances:
    """Stands for the Durable host's table of instances: what was started, and what became of it."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self.work: list[FanSearch] = []
        self.status: Any = None

    async def get_status(self, instance_id: str) -> Any:
        del instance_id
        return self.status

    async def start_new(self, name: str, instance_id: str, work: Any) -> None:
        self.work.append(FanSearch.from_wire(work))
        self.started.append((name, instance_id))


def post(world: World, monkeypatch: pytest.MonkeyPatch, instances: Instances, body: dict[str, str]) -> Any:
    monkeypatch.setattr(api, "get_services", lambda: world.services)
    request = func.HttpRequest(
        "POST", "/api/x", route_params={"eventId": EVENT, **body}, body=json.dumps(body).encode()
    )
    handler: Any = api.post_not_me if "by" not in body else api.post_event_review
    answer = asyncio.run(handler.build().get_user_function().client_function(request, instances))
    return answer.status_code, json.loads(answer.get_body())


def test_a_verdict_is_accepted_once_and_started_again_only_when_it_broke(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, instances = world.sees(0, 0, NEARLY), Instances()
    body = {"fanId": "ann", "appearanceId": seen.id, "verdict": "same", "by": "eve"}
    body["reviewId"] = review_id_of("ann", seen)
    status, view = post(world, monkeypatch, instances, body)
    assert (status, view["verdict"], view["isNew"], len(view["history"])) == (202, "same", True, 1)
    for state, starts in (("Completed", 1), ("Running", 1), ("Failed", 2)):
        instances.status = SimpleNamespace(runtime_status=df.OrchestrationRuntimeStatus(state))
        assert post(world, monkeypatch, instances, body)[1]["isNew"] is False
        assert len(instances.started) == starts
    assert len(set(instances.started)) == 1
    status, view = post(world, monkeypatch, instances, {**body, "fanId": "nobody"})
    assert (status, view["code"]) == (404, "not_found")
    status, view = post(world, monkeypatch, instances, {**body, "reviewId": "r-old"})
    assert (status, view["code"]) == (409, "question_changed")


def test_not_me_is_the_fans_own_route(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, instances = world.sees(0, 0, CLOSE), Instances()
    world.search()
    status, view = post(world, monkeypatch, instances, {"fanId": "ann", "appearanceId": seen.id})
    assert (status, view["verdict"], [one["by"] for one in view["history"]]) == (202, "different", ["fan"])
    assert len(instances.started) == 1
    status, view = post(world, monkeypatch, instances, {"fanId": "a b", "appearanceId": seen.id})
    assert (status, view["code"]) == (400, "bad_id")
