"""The networks of one process, loaded together."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import structlog

from fanreel.contracts import ModelContract
from fanreel.domain.faces import Bgr, Faces
from fanreel.errors import ModelFault
from fanreel.settings import Settings

from .attributes import FaceAttributes, baseline_face_attributes
from .catalogue import catalogue
from .chips import FaceChips
from .detector import FaceDetector
from .embedder import FaceEmbedder, FusedEmbedder, fused_contract
from .landmarks import Landmarks
from .liveness import Liveness, load_liveness
from .reader import TextReader, load_reader
from .runtime import BATCH_BUCKETS, RuntimeOptions, Session, open_network
from .tiled_ssd import TiledSsdDetector
from .yunet import YuNetDetector

log = structlog.get_logger()

WARM_UP_FRAME = (720, 1280, 3)


@dataclass(frozen=True, slots=True)
class Networks:
    """What the pipeline and the enrolment see with."""

    detector: FaceDetector
    embedder: FaceEmbedder
    attributes: FaceAttributes
    model_contract: ModelContract
    batch_sizes: tuple[int, ...] = BATCH_BUCKETS["cpu"]
    """Batch sizes the sessions run, largest first."""
    liveness: Liveness | None = None
    """Advice on selfies; none where no selfies are measured, when not wanted, or when not built."""
    reader: TextReader | None = None
    """Reads scoreboards; none when it is not installed (pack pro) and where selfies are measured."""

    def warm_up(self) -> None:
        """Run every batch size once, so that no job pays for the first use; raises ModelFault."""
        frame: Bgr = np.zeros(WARM_UP_FRAME, np.uint8)
        self.detector.warm_up()
        box = np.array([[100, 100, 300, 340]], np.float32)
        points = np.array([[[150, 180], [250, 180], [200, 240], [160, 290], [240, 290]]], np.float32)
        one = self.embedder.chips(frame, Faces(box, np.ones(1, np.float32), points))
        for size in self.batch_sizes:
            chips = FaceChips.concatenate([one] * size)
            self.attributes.measure(chips)
            self.embedder.embed(chips.select(np.arange(max(size // 2, 1))))  # the mirror images double it


def load_networks(settings: Settings, *, selfies: bool = False) -> Networks:
    """Load the baseline pack, every file's checksum verified; for `selfies` also the networks that advise on them.

    YuNet detects when its file is there, otherwise the tiled SSD (said once in the log). Raises ModelFault
    `model_missing`, `model_checksum_mismatch`, `model_unloadable`, `provider_missing` or `pack_not_served`.
    """
    if settings.model_pack != "baseline":
        raise ModelFault(
            "pack_not_served",
            f"pack {settings.model_pack!r} can be fetched and verified but has no adapters in this version: "
            "set FANREEL_MODEL_PACK=baseline.",
        )
    options = RuntimeOptions.of(settings)

    def network(entry_id: str) -> Session:
        return open_network(entry_id, settings.model_dir, options)

    landmarks = Landmarks(network("face_landmark_68"))
    contract = fused_contract(
        catalogue().entry("face_recognition").sha256, catalogue().entry("face_context").sha256
    )
    detector: FaceDetector
    if (settings.model_dir / catalogue().entry("yunet").file).is_file():
        detector = YuNetDetector(
            network("yunet"),
            settings.detector_long_side_px,
            settings.yunet_min_score,
            settings.max_faces_per_frame,
            fixed_shapes=options.provider == "cuda",
        )
    else:
        _say_fallback_once(str(settings.model_dir))
        detector = TiledSsdDetector(
            network("ssd_mobilenetv1"), landmarks, settings.ssd_min_score, settings.max_faces_per_frame
        )
    embedder = FusedEmbedder(network("face_recognition"), network("face_context"), contract)
    attributes = baseline_face_attributes(network, landmarks)
    liveness = load_liveness(settings) if selfies else None
    reader = None if selfies else load_reader(settings)
    return Networks(detector, embedder, attributes, contract, BATCH_BUCKETS[options.provider], liveness, reader)


@cache
def _say_fallback_once(model_dir: str) -> None:
    log.info("models.detector_fallback", detector="ssd_tiled", missing="yunet", model_dir=model_dir)
