"""What crosses a boundary of the flow: camelCase, versioned, small, and never a template towards a client."""

import json
import types
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel

from fanreel import contracts
from fanreel.adapters.queues import MESSAGE_LIMIT_BYTES
from fanreel.contracts import (
    Consent,
    Document,
    FanDocument,
    ModelContract,
    SegmentDone,
    SegmentJob,
    SelfieRecord,
    Vectors,
    VideoDocument,
    Wire,
)
from functions.identifiers import is_identifier
from functions.views import fan_view, video_view

pytestmark = pytest.mark.contract

MODELS = [
    value
    for name in contracts.__all__
    if isinstance(value := getattr(contracts, name), type) and issubclass(value, Wire)
]


def example(kind: Any) -> Any:
    """A value of a field's type, never the default, so that nothing passes by being left out."""
    simple = {str: "x", int: 3, float: 0.5, bool: True, datetime: datetime(2026, 1, 2, tzinfo=UTC), Any: "x"}
    if kind in simple:
        return simple[kind]
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return parts[-1]
    if origin is types.UnionType:
        return example(next(part for part in parts if part is not types.NoneType))
    if origin is tuple:
        return tuple(example(part) for part in parts if part is not Ellipsis)
    if origin is dict:
        return {"key": example(parts[1])}
    assert issubclass(kind, BaseModel), kind
    return kind(**{name: example(field.annotation) for name, field in kind.model_fields.items()})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_contract_survives_the_wire(model: type[Wire]) -> None:
    value = example(model)
    wire = value.to_wire()
    assert not [key for key in wire if "_" in key]
    again = model.from_wire(json.dumps(wire))
    assert again == (value.model_copy(update={"etag": None}) if isinstance(value, Document) else value)


def test_documents_carry_version_and_times() -> None:
    for model in MODELS:
        if issubclass(model, Document) and model is not Document:
            assert {"schemaVersion", "id", "createdAt", "updatedAt"} <= example(model).to_wire().keys()


def test_queue_messages_stay_small_with_the_longest_names() -> None:
    blob_name = "e" * 1024  # the service's limit
    texts = {"instance_id": "i" * 100, "event_name": "segment-done:99999:5", "traceparent": "0" * 55}
    common: dict[str, Any] = {"video_id": "v-" + "0" * 20, "segment_id": "99999", "attempt": 5, **texts}
    job = SegmentJob(
        segment_index=99_999,
        container="videos",
        blob_name=blob_name,
        blob_etag="0" * 20,
        plan_blob="p" * 100,
        result_blob="r" * 100,
        **common,
    )
    done = SegmentDone(outcome="rejected", reason="r" * 60, **common)
    for message in (job, done):
        assert len(json.dumps(message.to_wire()).encode()) < MESSAGE_LIMIT_BYTES / 10


def a_fan() -> FanDocument:
    contract = ModelContract(model_id="m", sha256="0" * 64, preprocessing="p")
    template = Vectors.pack(np.ones((1, 4), np.float32))
    selfie = SelfieRecord(
        blob_name="ada/1.jpg", blob_etag="0x1", status="accepted", template=template, female_probability=0.9
    )
    return FanDocument(
        id="ada",
        fan_id="ada",
        event_ids=("final",),
        consent=Consent(given=True, text_version="1", given_at="2026-01-01T00:00:00Z"),
        status="ready",
        selfies=(selfie,),
        template=template,
        model_contract=contract,
    )


def test_no_biometrics_in_what_a_fan_is_told() -> None:
    fan = a_fan()
    assert fan.template is not None
    text = json.dumps(fan_view(fan))
    for secret in (fan.template.data, "template", "vector", "Probability", "modelContract", "blobName", "quality"):
        assert secret not in text


def test_the_fan_view_says_whether_a_search_is_under_way() -> None:
    fan = a_fan()
    assert fan_view(fan)["searching"] is True
    assert fan_view(fan.model_copy(update={"searched_selfies": 1}))["searching"] is False
    due = fan.model_copy(update={"searched_selfies": 1, "search_round": 2, "searched_round": 1})
    assert fan_view(due)["searching"] is True, "an added event is searched for"
    assert fan_view(due.model_copy(update={"searched_round": 2}))["searching"] is False
    assert fan_view(fan)["selfies"] == [
        {"file": "1.jpg", "etag": "0x1", "status": "accepted", "reason": None, "hint": None, "advice": []}
    ]


def test_the_video_view_has_progress_and_no_storage_paths() -> None:
    video = VideoDocument(
        id="v-1",
        video_id="v-1",
        event_id="final",
        name="a.mp4",
        blob_name="final/a.mp4",
        blob_etag="0x1",
        instance_id="video-1",
        status="analyzing",
        segment_states={"00000": "done", "00001": "queued", "00002": "failed"},
    )
    view = video_view(video)
    assert view["segments"] == {"total": 3, "done": 1, "failed": 1}
    assert not {"blobName", "blobEtag", "instanceId"} & view.keys()


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("Cup-2026_final", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("", False),
        ("-a", False),
        ("_a", False),
        ("a b", False),
        ("a/b", False),
        ("é", False),
        ("a\n", False),
    ],
)
def test_ids_that_clients_choose(text: str, valid: bool) -> None:
    assert is_identifier(text) is valid


@pytest.mark.parametrize("kind", [Vectors, SelfieRecord, FanDocument])
def test_what_does_not_fit_is_not_quoted_in_the_error(kind: type[Wire]) -> None:
    """Errors end up in logs and in the histories of orchestrations; what does not fit may be a template."""
    secret = "U0VDUkVU"
    wrong = {field: [secret] for field in kind.to_wire(example(kind))}
    for data in (wrong, json.dumps(wrong), secret):
        with pytest.raises(ValueError, match="validation error") as broken:
            kind.from_wire(data)
        assert secret not in str(broken.value)
