"""Several selfies of real people: whose picture does not belong is told, and a second account is found."""

from pathlib import Path

import cv2
import pytest

from fanreel.contracts import Consent, FanDocument
from fanreel.demo.cast import PEOPLE
from fanreel.demo.selfies import LOOKS, cut_selfie
from fanreel.domain.duplicates import find_duplicates, template_of
from fanreel.domain.enrolment import DISAGREE_REASON, OUTLIER_REASON, SELFIE_DISAGREES_REASON, with_selfie
from fanreel.domain.faces import Bgr
from fanreel.domain.matching import baseline_calibration
from fanreel.inference.networks import Networks
from fanreel.inference.selfies import measure_selfie

pytestmark = pytest.mark.golden

CONSENT = Consent(given=True, text_version="1", given_at="2026-05-01T10:00:00Z")


def enrolled(name: str, pictures: dict[str, bytes], networks: Networks) -> FanDocument:
    fan = FanDocument(id=name, fan_id=name, event_ids=("cup",), consent=CONSENT)
    for file, data in pictures.items():
        record = measure_selfie(data, networks, blob_name=file, blob_etag="1")
        assert record.status == "accepted", (file, record.reason)
        fan = with_selfie(fan, record, networks.model_contract, baseline_calibration())
    return fan


def reasons(fan: FanDocument) -> dict[str, str | None]:
    return {one.blob_name: one.reason for one in fan.selfies}


def demo_selfie(photos: dict[str, Bgr], name: str, look: int) -> bytes:
    person = next(one for one in PEOPLE if one.name == name)
    return cv2.imencode(".jpg", cut_selfie(photos[person.photo], person, LOOKS[look]))[1].tobytes()


def test_a_strangers_picture_among_the_demos_selfies_is_told(
    photos: dict[str, Bgr], ssd_networks: Networks
) -> None:
    own = {f"dina{look}": demo_selfie(photos, "dina", look) for look in range(3)}
    fan = enrolled("dina", {**own, "ruth": demo_selfie(photos, "ruth", 0)}, ssd_networks)
    assert {name for name, reason in reasons(fan).items() if reason} == {"ruth"}
    assert reasons(fan)["ruth"] == OUTLIER_REASON
    assert fan.reason is None


def test_two_people_on_two_selfies_are_both_told(photos: dict[str, Bgr], ssd_networks: Networks) -> None:
    pictures = {name: demo_selfie(photos, name, 0) for name in ("dina", "ruth")}
    fan = enrolled("dina", pictures, ssd_networks)
    assert fan.reason == DISAGREE_REASON
    assert set(reasons(fan).values()) == {SELFIE_DISAGREES_REASON}


def shared_selfies(shared_media: Path) -> dict[str, dict[str, bytes]]:
    folders = sorted((shared_media / "broadcast" / "selfies").iterdir())
    return {
        folder.name: {f"{folder.name}/{one.name}": one.read_bytes() for one in sorted(folder.iterdir())}
        for folder in folders
    }


def test_no_selfie_of_the_shared_broadcast_is_doubted_and_a_foreign_one_is(
    shared_media: Path, yunet_networks: Networks
) -> None:
    people = {name: files for name, files in shared_selfies(shared_media).items() if len(files) == 3}
    assert len(people) == 4
    for name, files in people.items():
        fan = enrolled(name, files, yunet_networks)
        assert (fan.reason, set(reasons(fan).values())) == (None, {None}), name
        other = next(each for each in people if each != name)
        foreign, data = next(iter(people[other].items()))
        spoilt = enrolled(name, {**files, foreign: data}, yunet_networks)
        assert {file for file, reason in reasons(spoilt).items() if reason} == {foreign}, (name, other)


def test_a_second_account_is_found_among_the_others(shared_media: Path, yunet_networks: Networks) -> None:
    """Two selfies are Rachel's, the third is uploaded by another account; nobody else is near."""
    people = shared_selfies(shared_media)
    rachel = people.pop("Rachel")
    first, second, third = rachel.items()
    fans = [enrolled(name, files, yunet_networks) for name, files in people.items()]
    fans.append(enrolled("Rachel", dict([first, second]), yunet_networks))
    again = template_of(enrolled("again", dict([third]), yunet_networks))
    others = [one for fan in fans if (one := template_of(fan)) is not None]
    assert again is not None
    assert find_duplicates(again, others, baseline_calibration()) == ("Rachel",)
    for one in others:
        assert find_duplicates(one, others, baseline_calibration()) == ()
