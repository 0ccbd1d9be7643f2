"""Networks on a device: bound calls, fixed shapes, 16 bit. What needs no CUDA device runs on the CPU."""

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from fanreel.domain.faces import Bgr, Faces
from fanreel.errors import ModelFault
from fanreel.inference.boxes import areas, intersections
from fanreel.inference.half import TOLERANCE, difference, to_half, within_tolerance
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.runtime import BoundCalls, OnnxSession, RuntimeOptions, open_network
from fanreel.inference.yunet import YuNetDetector
from fanreel.settings import Settings
from tests.golden.network_inputs import PHOTOS
from tests.golden.test_cascade import FACE, scene

pytestmark = pytest.mark.integration

TEMPLATE_TOLERANCE = 0.01
"""Length of the difference of two unit templates; strangers lie at about .6 or more."""
SAME_PLACE = 0.8
"""Intersection over union of two boxes of one face."""


@pytest.fixture(scope="module")
def model() -> bytes:
    path = Settings().model_dir / "face_expression.onnx"
    if not path.is_file():
        pytest.skip("needs the baseline networks: make setup")
    return path.read_bytes()


@pytest.fixture(scope="module")
def cuda(model: bytes) -> Networks:
    """Whatever goes wrong where there is a device is a failure, and no reason to skip."""
    assert model
    if "CUDAExecutionProvider" not in ort.get_available_providers() or not cuda_devices():
        pytest.skip("needs onnxruntime-gpu and a CUDA device")
    return load_networks(Settings(execution_provider="cuda"))


def cuda_devices() -> int:
    """Return how many devices the driver knows; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


PLACES = [(200, 200, 36), (640, 400, 160), (1000, 120, 48), (420, 620, 60), (1100, 560, 90)]
"""Middle and height of the faces in `crowd`: some are found coarsely, some finely."""


@pytest.fixture(scope="module")
def crowd() -> Bgr:
    photo = cv2.imread(str(PHOTOS / FACE[0])) if PHOTOS.is_dir() else None
    if photo is None:
        pytest.skip("needs the photographs of npm face-api: make setup")
    return scene({FACE[0]: np.asarray(photo, np.uint8)}, *PLACES)


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
def test_faces_and_templates_of_the_device_and_of_the_cpu_agree(cuda: Networks, crowd: Bgr) -> None:
    cuda.warm_up()
    cpu = load_networks(Settings(execution_provider="cpu"))
    found = cpu.detector.detect(crowd)
    assert_same_faces(cuda.detector.detect(crowd), found, len(PLACES))
    chips = cpu.embedder.chips(crowd, found)
    apart = np.linalg.norm(cuda.embedder.embed(chips) - cpu.embedder.embed(chips), axis=1)
    assert float(apart.max()) < TEMPLATE_TOLERANCE


@pytest.mark.gpu
def test_16_bit_templates_stay_within_the_tolerance_on_the_device(cuda: Networks, crowd: Bgr) -> None:
    half = load_networks(Settings(execution_provider="cuda", half_precision=True))
    found = cuda.detector.detect(crowd)
    assert_same_faces(half.detector.detect(crowd), found, len(PLACES))
    chips = cuda.embedder.chips(crowd, found)
    apart = np.linalg.norm(half.embedder.embed(chips) - cuda.embedder.embed(chips), axis=1)
    assert float(apart.max()) < TEMPLATE_TOLERANCE


def assert_same_faces(found: Faces, expected: Faces, count: int) -> None:
    """Every expected face has one of its own that covers the same place."""
    assert len(found) == len(expected) == count
    common = intersections(found.boxes, expected.boxes)
    union = areas(found.boxes)[:, None] + areas(expected.boxes)[None, :] - common
    overlap = common / union
    assert sorted(overlap.argmax(axis=0).tolist()) == list(range(count))
    assert float(overlap.max(axis=0).min()) > SAME_PLACE


def test_shapes_prepared_for_a_device_find_the_same_faces_and_templates(model: bytes, crowd: Bgr) -> None:
    """What the device runs, on the CPU: so that the scene and its bounds are judged without a device, too."""
    assert model
    networks = load_networks(Settings())
    if not isinstance(networks.detector, YuNetDetector):
        pytest.skip("needs YuNet: fanreel models pull")
    found = networks.detector.detect(crowd)
    fixed = replace(networks.detector, fixed_shapes=True).detect(crowd)
    assert_same_faces(fixed, found, len(PLACES))
    with pytest.raises(AssertionError):
        assert_same_faces(found.select(np.arange(1, len(found))), found, len(PLACES))
