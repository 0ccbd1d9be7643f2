"""What shows something that is no longer the fan's is not seen by anybody (real Azurite and Cosmos emulator)."""

from collections.abc import Iterator
from typing import Any

import pytest

from activities.montages import abandon_montage, plan_montage, publish_montage
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    MatchDocument,
    MontageWork,
)
from fanreel.domain import naming
from fanreel.errors import ContractBroken, TransientFault
from fanreel.local.servers import Azurite, CosmosEmulator

from .flow_services import services_on
from .montage_world import (
    WORK,
    add_video,
    begin,
    files,
    out,
    plan_and_render,
    put_old_out,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def connected(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as services:
        yield services


@pytest.fixture
def services(connected: Services) -> Services:
    begin(connected)
    return connected


def see_on(services: Services, appearance_id: str, *, start_ms: int) -> str:
    """The fan found again in the same shot, less well, right after the first appearance ends: one moment."""
    first = services.documents.get(AppearanceDocument, appearance_id, "v-1")
    match = services.documents.get(MatchDocument, naming.match_id(appearance_id, "ada"), "ada")
    assert first is not None
    assert match is not None
    stamps = tuple(range(start_ms, first.end_ms + 1, 200))
    cut = tuple(at for at in first.pts_ms if at < start_ms)
    curve = tuple(0.1 for _ in stamps)
    later = first.model_copy(
        update={
            "id": f"{appearance_id}b", "start_ms": start_ms, "pts_ms": stamps, "boxes": first.boxes[: len(stamps)],
            "excitement": 0.1, "excitement_curve": curve,
        }
    )  # fmt: skip
    end_ms = cut[-1]
    update = {"end_ms": end_ms, "pts_ms": cut, "boxes": first.boxes[: len(cut)], "excitement_curve": curve[:0]}
    again = {"id": naming.match_id(later.id, "ada"), "appearance_id": later.id, "start_ms": start_ms}
    services.documents.upsert_many([first.model_copy(update=update), later])
    services.documents.upsert_many([match.model_copy(update={"end_ms": end_ms}), match.model_copy(update=again)])
    return naming.match_id(later.id, "ada")


def two_in_one_clip_out(services: Services) -> tuple[MontageWork, str]:
    """A montage that is out, with a clip of two appearances that names only the better one; the other's match."""
    other = see_on(services, "v-1-a00005", start_ms=55_000)
    work = plan_and_render(services)
    assert publish_montage(services, work).needed
    published = out(services)
    assert published is not None
    (clip,) = (one for one in published.plan.clips if one.appearance_id == "v-1-a00005")
    assert clip.end_ms > 55_000, "the other is shown, too"
    assert all(one.appearance_id != "v-1-a00005b" for one in published.plan.clips)
    return work, other


def test_a_clip_of_two_appearances_goes_when_either_is_no_longer_a_match(services: Services) -> None:
    work, other = two_in_one_clip_out(services)
    services.documents.delete(MatchDocument, other, "ada")
    assert plan_montage(services, WORK).needed
    announced = out(services)
    assert announced is not None
    assert announced.status == "rendering", "what shows somebody else is not out while the right one is rendered"
    assert f"ada/{work.montage_id}.mp4" not in files(services)


def test_a_montage_stays_out_while_a_better_one_is_rendered(services: Services) -> None:
    work, _ = two_in_one_clip_out(services)
    add_video(services, "v-3")
    assert plan_montage(services, WORK).needed
    published = out(services)
    assert published is not None
    assert (published.status, published.montage_id) == ("ready", work.montage_id)


@pytest.mark.parametrize("failed", [WORK, WORK.model_copy(update={"montage_id": "m-newer"}), None])
def test_a_wrong_montage_does_not_stay_out_when_the_right_one_cannot_be_made(
    services: Services, failed: MontageWork | None
) -> None:
    work, other = two_in_one_clip_out(services)
    services.documents.delete(MatchDocument, other, "ada")
    abandon_montage(services, failed or work)
    assert_hidden(services)
    assert publish_montage(services, plan_and_render(services)).needed, "it is made as soon as it can be"


def assert_hidden(services: Services) -> None:
    hidden = out(services)
    assert hidden is not None
    assert (hidden.status, hidden.files, hidden.plan.clips, hidden.superseded) == ("failed", {}, (), ())
    assert files(services) == []


def test_a_montage_that_nobody_can_check_does_not_stay_out(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish_montage(services, plan_and_render(services)).needed
    query = services.documents.query

    def unreadable(kind: Any, *rest: Any, **more: Any) -> Any:
        if kind is MatchDocument:
            raise ContractBroken("document_invalid", "A match cannot be read.")
        return query(kind, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(services.documents, "query", unreadable)
        with pytest.raises(ContractBroken):
            plan_montage(services, WORK)
        abandon_montage(services, WORK)
    assert_hidden(services)


def test_hiding_a_wrong_montage_that_was_interrupted_is_finished(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_old_out(services)

    def interrupted(*_: Any) -> None:
        raise TransientFault("storage", "Storage is busy.")

    with monkeypatch.context() as patched:
        patched.setattr(services.blobs, "delete_prefix", interrupted)
        with pytest.raises(TransientFault):
            abandon_montage(services, WORK)
        hidden = out(services)
        assert hidden is not None
        assert hidden.status == "failed", "nobody sees it from the first moment on"
    abandon_montage(services, WORK)
    assert_hidden(services)
