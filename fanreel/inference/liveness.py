"""Two anti-spoofing networks of npm Human, as advice: they look at one still picture and prove nothing.

Fed as Human feeds them (src/face/blazeface.ts, facemesh.ts, antispoof.ts, liveness.ts): the face's box × 1.4, made
square, RGB 0..1, shrunk to the network's side; of each answer the first number. They hardly tell a face from its
picture on a screen: see `MAY_BE_A_PHOTO_BELOW`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import structlog

from fanreel.domain.faces import Bgr, Faces
from fanreel.settings import Settings

from .catalogue import catalogue
from .images import chips, square_boxes, square_matrices
from .packs import State, state_of
from .runtime import RuntimeOptions, Session, open_network

log = structlog.get_logger()

ENLARGE = 1.4
REAL_SIDE_PX, LIVE_SIDE_PX = 128, 32

MAY_BE_A_PHOTO_BELOW = 0.3
"""Advice is given when both scores are lower. Median `real` of the shared broadcast's 16 selfies, of imitated
screens and prints of them: .61, .57, .61; `live`: .99, .90, .97. A limit on either that finds photographs would
accuse fans."""
PHOTO_ADVICE = "selfie_may_be_a_photo_of_a_photo"


@dataclass(frozen=True, slots=True)
class Liveness:
    """Runs `antispoof.onnx` and `liveness.onnx`."""

    real: Session
    live: Session

    def measure(self, picture: Bgr, faces: Faces) -> dict[str, float]:
        """Return `real` and `live`, 0..1, of the first face; raises ModelFault when a network fails."""
        squares = square_boxes(faces.boxes[:1], ENLARGE)

        def score(session: Session, output: str, side_px: int) -> float:
            cut = chips(picture, square_matrices(squares, side_px), side_px)
            answer = session.run({"image": np.ascontiguousarray(cut[..., ::-1])})[output]
            return round(float(answer[0, 0]), 4)

        return {"real": score(self.real, "real", REAL_SIDE_PX), "live": score(self.live, "live", LIVE_SIDE_PX)}


def liveness_advice(scores: dict[str, float]) -> tuple[str, ...]:
    """Return the advice that the scores give; none without scores."""
    doubted = bool(scores) and max(scores.values()) < MAY_BE_A_PHOTO_BELOW
    return (PHOTO_ADVICE,) if doubted else ()


def load_liveness(settings: Settings) -> Liveness | None:
    """Load both networks; None when the operator does not want them or their files are not there (logged once).

    Raises ModelFault `model_checksum_mismatch`, `model_unloadable` or `provider_missing`.
    """
    if not settings.selfie_liveness:
        return None
    absent = [one.entry.id for one in liveness_states(settings) if one.state == "missing"]
    if absent:
        _say_absent_once(", ".join(absent), str(settings.model_dir))
        return None
    options = RuntimeOptions.of(settings)
    real, live = (open_network(name, settings.model_dir, options) for name in _NETWORKS)
    return Liveness(real, live)


def liveness_states(settings: Settings) -> list[State]:
    """Return both networks and whether their files are here."""
    return [state_of(catalogue().entry(name), settings.model_dir) for name in _NETWORKS]


@cache
def _say_absent_once(missing: str, model_dir: str) -> None:
    log.warning("models.liveness_absent", missing=missing, model_dir=model_dir, remedy=REMEDY)


REMEDY = "fanreel models build extra"
_NETWORKS = ("antispoof", "liveness")
