"""Reading lines: with a network small enough to be made here, and with the real one where it is installed.

The tiny network reads grey: every column's brightness is nearest to that of one character. So a picture of grey
bars is a line of text, and scaling, column order, the joining of repeats and blanks all have to be right.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.adapters.media.thumbnail import frame_jpeg
from fanreel.contracts import ReadText, Segment
from fanreel.domain.captions import score_spans
from fanreel.domain.faces import Bgr
from fanreel.domain.profiles import GraphicsRegion
from fanreel.errors import ModelFault
from fanreel.inference.catalogue import catalogue
from fanreel.inference.pictures import decode_picture
from fanreel.inference.reader import READER, TextReader, class_characters, load_reader
from fanreel.inference.runtime import OnnxSession, RuntimeOptions
from fanreel.profiles import load_profile
from fanreel.settings import Settings
from gpu_workers.pipeline.reading import READ_EVERY_MS, ReadingStage, cut

pytestmark = pytest.mark.integration

LETTERS = "A1-"
GREYS = {" ": 250, "A": 60, "1": 120, "-": 180, "blank": 5}
SEGMENT = Segment(
    segment_id="s",
    index=0,
    start_ms=0,
    end_ms=10_000,
    decode_end_ms=12_000,
    owned_from_ms=1_000,
    owned_to_ms=9_000,
)


def network(letters: str = LETTERS) -> bytes:
    """x (1, 3, 48, w) −1..1 → (1, w, classes): how near each column is to each character's grey."""
    greys = np.array([GREYS[name] for name in ("blank", *LETTERS, " ")], np.float32) / 127.5 - 1
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["columns"], keepdims=0),
        helper.make_node("Unsqueeze", ["columns", "last"], ["each"]),
        helper.make_node("Sub", ["each", "greys"], ["apart"]),
        helper.make_node("Abs", ["apart"], ["far"]),
        helper.make_node("Mul", ["far", "sharp"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=2),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(greys[None, None], "greys"),
        numpy_helper.from_array(np.array(-40, np.float32), "sharp"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 48, "w"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, "w", len(greys)])],
        initializer=constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {"character": "\n".join(letters)})
    onnx.checker.check_model(made)
    return made.SerializeToString()


def reader(letters: str = LETTERS) -> TextReader:
    session = OnnxSession(network(letters), "tiny", RuntimeOptions())
    return TextReader(session, class_characters(session.metadata["character"]))


def written(text: str, *, scale: int = 1) -> Bgr:
    """Grey bars, 12 px a character, blank between them: doubled letters stay two."""
    bars = np.concatenate([np.repeat([GREYS["blank"], GREYS[letter]], 12) for letter in text])
    return np.repeat(np.tile(bars[None, :, None].astype(np.uint8), (48, 1, 3)), scale, axis=1).repeat(
        scale, axis=0
    )


@dataclass
class Frame:
    """A frame whose lower half says A1 at 2 s and 11 later, and whose upper half is never read."""

    pts_ms: int
    coded_size: tuple[int, int] = (48, 96)

    def bgr(self) -> Bgr:
        lower = written("A1" if self.pts_ms < 4_000 else "11")
        return np.concatenate([written("--"), lower])

    def small(self, width: int) -> Bgr:
        raise AssertionError(f"texts are read at full size, not at {width}")


REGIONS = (
    GraphicsRegion(name="banner", box=(0, 0, 1, 0.5)),
    GraphicsRegion(name="score", box=(0, 0.5, 1, 1), reads_text=True),
)


def test_a_line_is_read_column_by_column():
    line = reader().read(written("A1-11A"))
    assert line.text == "A1-11A"
    assert line.confidence > 0.9


@pytest.mark.parametrize("scale", [2, 3])
def test_the_size_of_the_line_does_not_matter(scale: int):
    assert reader().read(written("A1-1", scale=scale)).text == "A1-1"


def test_spaces_are_one_and_not_at_the_ends():
    assert reader().read(written(" A  1 ")).text == "A 1"


def test_an_empty_line_says_nothing():
    assert reader().read(np.full((48, 100, 3), GREYS["blank"], np.uint8)).text == ""
    assert reader().read(np.zeros((0, 100, 3), np.uint8)).confidence == 0.0


def test_a_network_that_knows_other_characters_is_a_fault():
    with pytest.raises(ModelFault) as fault:
        reader("A1-XYZ").read(written("A"))
    assert fault.value.code == "inference_failed"
    with pytest.raises(ModelFault) as fault:
        class_characters("")
    assert fault.value.code == "vocabulary_malformed"


def test_regions_worth_reading_are_read_now_and_then_where_the_segment_owns_the_video():
    stage = ReadingStage(reader(), REGIONS, SEGMENT)
    for pts_ms in range(0, 12_000, 200):
        stage.process_frame(Frame(pts_ms))
    texts = stage.texts()
    assert {text.region for text in texts} == {"score"}
    assert [(text.pts_ms, text.text) for text in texts] == [
        (1_000, "A1"),
        (2_000, "A1"),
        (4_000, "11"),
        (6_000, "11"),
        (8_000, "11"),
    ]
    assert READ_EVERY_MS == 2_000


def test_without_a_reader_or_a_region_nothing_is_read():
    for stage in (ReadingStage(None, REGIONS, SEGMENT), ReadingStage(reader(), REGIONS[:1], SEGMENT)):
        stage.process_frame(Frame(2_000))
        assert stage.texts() == ()


def test_there_is_no_reader_unless_installed_and_never_another_one(tmp_path: Path):
    settings = Settings(model_dir=tmp_path)
    assert load_reader(settings) is None
    (tmp_path / catalogue().entry(READER).file).write_bytes(network())
    with pytest.raises(ModelFault) as fault:
        load_reader(settings)
    assert fault.value.code == "model_checksum_mismatch"


@pytest.fixture(scope="module")
def installed() -> TextReader:
    found = load_reader(Settings())
    if found is None:
        pytest.skip("the text reader is not installed: fanreel models pull pro")
    return found


def test_the_real_network_reads_what_is_drawn(installed: TextReader):
    picture = np.full((60, 420, 3), (90, 40, 20), np.uint8)
    cv2.putText(picture, "ARS 2-1 CHE", (10, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
    line = installed.read(picture)
    assert line.text.replace(" ", "") == "ARS2-1CHE"
    assert line.confidence > 0.8


def test_the_real_network_reads_the_score_of_a_broadcast(installed: TextReader, shared_media: Path):
    source = FileSource(shared_media / "video/sports/ucl_football_cuts_1080p.mp4")
    (region,) = load_profile("football").picture.graphics
    media = probe(source)
    texts: list[ReadText] = []
    for pts_ms in (1_000, 4_000):
        line = installed.read(cut(decode_picture(frame_jpeg(source, media, pts_ms)), region.box))
        texts.append(ReadText(pts_ms=pts_ms, region=region.name, text=line.text, confidence=line.confidence))
    assert [text.text.split()[0] for text in texts] == ["27:15", "27:18"]
    (span,) = score_spans(texts)
    assert (span.start_ms, span.end_ms, span.score) == (1_000, 4_000, "1–1")
