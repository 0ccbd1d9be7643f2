"""What somebody said about a face, step by step: matched again, montages made, and nothing lost when it breaks."""

import pytest

from fanreel.contracts import FanSearch
from orchestrators.reviews import apply_review

from .orchestration import FakeContext, FakeTask, drive

pytestmark = pytest.mark.unit

SEARCH = FanSearch(fan_id="ada", event_id="final", video_id="v-1")


def test_a_review_matches_its_video_again_and_makes_the_montages_that_change() -> None:
    def answer(task: FakeTask) -> object:
        return {"fanIds": ["ada", "bob"]} if task.name == "search_fan" else [{}, {}]

    run = drive(apply_review(FakeContext(SEARCH.to_wire(), "review-1")), answer)
    assert run.names() == ["search_fan", "all"]
    assert run.asked[0].input == SEARCH.to_wire()
    assert run.asked[0].attempts == 60, "somebody may be seeing a stranger until it is done"
    made = [(child.name, child.input["fanId"], child.input["eventId"]) for child in run.asked[1].children]
    assert made == [("make_montage", "ada", "final"), ("make_montage", "bob", "final")]
    assert run.result == {"fans": 2}


def test_a_review_whose_search_broke_still_makes_the_montages_it_has_changed() -> None:
    def answer(task: FakeTask) -> object:
        if task.name == "search_fan":
            return OSError("gone")
        return {"fanIds": ["ada"]} if task.name == "load_searched_fans" else [{}]

    run = drive(apply_review(FakeContext(SEARCH.to_wire(), "review-1")), answer)
    assert run.names() == ["search_fan", "load_searched_fans", "all"]
    assert [child.input["fanId"] for child in run.asked[2].children] == ["ada"]
    assert isinstance(run.error, OSError)
