"""Networks on a device: bound calls, fixed shapes, 16 bit. What needs no CUDA device runs on the CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
import pytest

from fanreel.errors import ModelFault
from fanreel.inference.half import TOLERANCE, difference, to_half, within_tolerance
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.runtime import BoundCalls, OnnxSession, RuntimeOptions, open_network
from fanreel.settings import Settings

pytestmark = pytest.mark.integration

TEMPLATE_TOLERANCE = 0.01
"""Length of the difference of two unit templates; strangers lie at about .6 or more."""


@pytest.fixture(scope="module")
def model() -> bytes:
    path = Settings().model_dir / "face_expression.onnx"
    if not path.is_file():
        pytest.skip("needs the baseline networks: make setup")
    return path.read_bytes()


@pytest.fixture(scope="module")
def cuda() -> Networks:
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("needs onnxruntime-gpu and a CUDA device")
    try:
        return load_networks(Settings(execution_provider="cuda"))
    except ModelFault as fault:
        pytest.skip(f"needs a CUDA device and the baseline networks: {fault.message}")


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, 112, 112, 3), np.uint8)


def session_of(model: bytes) -> ort.InferenceSession:
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"])


def test_bound_calls_answer_as_plain_ones_whatever_came_before(model: bytes) -> None:
    session = session_of(model)
    bound = BoundCalls(session, "cpu")
    for count in (4, 1, 4, 2, 1):
        pictures = faces(count)
        (plain,) = session.run(["probabilities"], {"image": pictures})
        np.testing.assert_array_equal(bound.run({"image": pictures})["probabilities"], plain)


def test_an_answer_is_not_overwritten_by_the_next_call(model: bytes) -> None:
    bound = BoundCalls(session_of(model), "cpu")
    first = bound.run({"image": faces(2)})["probabilities"]
    kept = first.copy()
    bound.run({"image": 255 - faces(2)})
    np.testing.assert_array_equal(first, kept)


def test_threads_that_share_bound_calls_get_their_own_answers(model: bytes) -> None:
    session = session_of(model)
    bound = BoundCalls(session, "cpu")
    inputs = [np.roll(faces(2), step, axis=1) for step in range(24)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda pictures: bound.run({"image": pictures})["probabilities"], inputs))
    for pictures, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(answer, session.run(["probabilities"], {"image": pictures})[0])


def test_views_that_are_not_contiguous_are_bound_right(model: bytes) -> None:
    session = session_of(model)
    mirrored = faces(3)[:, :, ::-1]
    (plain,) = session.run(["probabilities"], {"image": np.ascontiguousarray(mirrored)})
    np.testing.assert_array_equal(BoundCalls(session, "cpu").run({"image": mirrored})["probabilities"], plain)


def test_16_bit_is_taken_within_the_tolerance_only(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    half = to_half(model)
    assert len(half) < 0.6 * len(model)
    apart = difference(model, half)
    assert 0 < apart <= TOLERANCE
    assert within_tolerance(model, "face_expression") == half
    monkeypatch.setattr("fanreel.inference.half.TOLERANCE", apart / 2)
    assert within_tolerance(model, "face_expression") == model


def test_a_fault_of_the_device_is_a_model_fault(model: bytes) -> None:
    session = OnnxSession(model, "face_expression", RuntimeOptions())
    with pytest.raises(ModelFault, match="inference_failed"):
        session.run({"image": np.zeros((1, 5, 5, 3), np.uint8)})


def test_asking_for_a_provider_that_is_missing_never_falls_back(model: bytes) -> None:
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(ModelFault, match="provider_missing"):
        OnnxSession(model, "face_expression", RuntimeOptions("cuda"))


@pytest.mark.gpu
@pytest.mark.parametrize("count", [1, 3, 16, 33])
def test_the_device_answers_as_the_cpu(cuda: Networks, count: int) -> None:
    entries: Sequence[str] = ("face_expression", "age_gender")
    assert cuda.batch_sizes[0] == 32
    for entry in entries:
        answers = [
            open_network(entry, Settings().model_dir, RuntimeOptions(provider)).run({"image": faces(count)})
            for provider in ("cpu", "cuda")
        ]
        for name, value in answers[0].items():
            np.testing.assert_allclose(answers[1][name], value, atol=1e-3 * max(float(np.abs(value).max()), 1.0))


@pytest.mark.gpu
def test_templates_of_the_device_and_of_the_cpu_agree(cuda: Networks) -> None:
    cuda.warm_up()
    cpu = load_networks(Settings(execution_provider="cpu"))
    frame = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    assert len(cuda.detector.detect(frame)) == len(cpu.detector.detect(frame))
    chips = cpu.embedder.chips(frame, _made_faces())
    apart = np.linalg.norm(cuda.embedder.embed(chips) - cpu.embedder.embed(chips), axis=1)
    assert float(apart.max()) < TEMPLATE_TOLERANCE


@pytest.mark.gpu
def test_16_bit_templates_stay_within_the_tolerance_on_the_device(cuda: Networks) -> None:
    half = load_networks(Settings(execution_provider="cuda", half_precision=True))
    frame = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    chips = cuda.embedder.chips(frame, _made_faces())
    apart = np.linalg.norm(half.embedder.embed(chips) - cuda.embedder.embed(chips), axis=1)
    assert float(apart.max()) < TEMPLATE_TOLERANCE


def _made_faces():
    from fanreel.domain.faces import Faces

    boxes = np.array([[100, 100, 300, 340], [500, 200, 620, 350]], np.float32)
    points = boxes[:, None, :2] + np.array([[[50, 80], [150, 80], [100, 140], [60, 190], [140, 190]]], np.float32)
    return Faces(boxes, np.ones(2, np.float32), points.astype(np.float32))
