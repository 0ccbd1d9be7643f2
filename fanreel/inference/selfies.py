"""A selfie becomes a template, or a reason and a hint: pictures people take are never the caller's fault."""

from dataclasses import dataclass

import cv2
import numpy as np

from fanreel.contracts import SelfieRecord, Vectors
from fanreel.domain.faces import Bgr, Faces
from fanreel.domain.quality import face_quality, measure_chips, sharpness_score, yaw_asymmetry
from fanreel.domain.selfie_checks import advice_codes, face_state, reject_reason
from fanreel.errors import InputRejected

from .boxes import suppress
from .chips import ALIGNED_TEMPLATE
from .detector import FaceDetector
from .liveness import liveness_advice
from .networks import Networks
from .pictures import decode_picture

MIN_FACE_HEIGHT_PX = 60.0
"""Faces of 60 px are recognised like large ones (.979 of true pairs against 1.000, reference measurements)."""
MIN_SHARPNESS = 0.5
"""`sharpness_score` of the aligned face, 0..1: a blur of sigma 2 px at 100 px, where four tenths of the true
pairs are lost and a face has moved by .5 from its sharp self."""
COMPARABLE_HEIGHT = 0.5
"""A second face at least this share of the first one's height makes it unclear whose selfie it is; somebody half
as high stands at twice the distance, in the background."""
MIN_SECOND_SCORE = 0.7
"""… when the detector is this sure that it is a face."""
WIDE_BORDER = 0.5
"""A second look at the picture with this share of its size added on every side, and shrunk: a face that fills the
picture becomes one a detector has seen."""
WIDE_LONG_SIDE_PX = 640
MAX_OVERLAP = 0.4
MAX_CONTAINED = 0.6
"""Of two boxes sharing more than this of the smaller one, only the larger is a face: the other is a part of it."""

HINTS = {
    "selfie_unreadable": "Send the picture again, as JPEG, PNG, WebP or HEIC.",
    "selfie_too_large": "Send a smaller picture: at most 30 MB and 120 megapixels.",
    "selfie_no_face": "No face was found: look into the camera, in good light, with nothing before your face.",
    "selfie_several_faces": "Send a picture on which only you are close to the camera.",
    "selfie_face_too_small": "Come closer to the camera, so that your face fills a good part of the picture.",
    "selfie_face_too_blurred": "Hold the camera still, in good light, until your face is sharp.",
    "selfie_too_dark": "Your face is too dark: turn to a window or a lamp.",
    "selfie_too_bright": "Your face is too bright: step out of the glare, or switch the flash off.",
    "selfie_face_turned": "Look into the camera: your face is turned away too far.",
    "selfie_eyes_covered": "Take off dark glasses, and keep hair and hands away from your eyes.",
    "selfie_mouth_covered": "Take off your mask, and keep your mouth and chin free.",
}
"""What the fan can do, one sentence per reason code."""
_PICTURE_REASONS = {"picture_unreadable": "selfie_unreadable", "picture_too_large": "selfie_too_large"}


@dataclass(frozen=True, slots=True)
class _Blob:
    name: str
    etag: str

    def rejected(self, reason: str, *, quality: float = 0.0, face_height_px: float = 0.0) -> SelfieRecord:
        return SelfieRecord(
            blob_name=self.name,
            blob_etag=self.etag,
            status="rejected",
            reason=reason,
            hint=HINTS[reason],
            quality=quality,
            face_height_px=face_height_px,
        )


def measure_selfie(data: bytes, networks: Networks, *, blob_name: str, blob_etag: str) -> SelfieRecord:
    """Return the selfie's record: accepted with a template, or rejected with a reason code and a hint.

    Any bytes are answered; only a broken network raises (`ModelFault`). Reason codes are the keys of `HINTS`.
    """
    blob = _Blob(blob_name, blob_etag)
    try:
        picture = decode_picture(data)
    except InputRejected as error:
        return blob.rejected(_PICTURE_REASONS[error.code])
    faces = selfie_faces(networks.detector, picture)
    if not len(faces):
        return blob.rejected("selfie_no_face")
    face = faces.select(np.array([0]))
    height_px = round(float(face.heights[0]), 1)
    if _comparable(faces):
        return blob.rejected("selfie_several_faces", face_height_px=height_px)
    if height_px < MIN_FACE_HEIGHT_PX:
        return blob.rejected("selfie_face_too_small", face_height_px=height_px)
    chips = networks.embedder.chips(picture, face)
    measures = measure_chips(chips.aligned_rgb)
    quality = round(float(face_quality(face.heights, face.points, face.scores, measures)[0]), 4)
    state = face_state(chips.aligned_rgb[0], ALIGNED_TEMPLATE, float(yaw_asymmetry(face.points)[0]))
    reason = reject_reason(state)
    if reason is None and float(sharpness_score(measures)[0]) < MIN_SHARPNESS:
        reason = "selfie_face_too_blurred"
    if reason is not None:
        return blob.rejected(reason, quality=quality, face_height_px=height_px)
    attributes = networks.attributes.measure(chips)
    liveness = networks.liveness.measure(picture, face) if networks.liveness else {}
    return SelfieRecord(
        blob_name=blob_name,
        blob_etag=blob_etag,
        status="accepted",
        quality=quality,
        face_height_px=height_px,
        template=Vectors.pack(networks.embedder.embed(chips)),
        female_probability=round(float(attributes.female_probability[0]), 4),
        age_years=round(float(attributes.age_years[0]), 1),
        advice=(*advice_codes(state), *liveness_advice(liveness)),
        liveness=liveness,
    )


def selfie_faces(detector: FaceDetector, picture: Bgr) -> Faces:
    """Return the faces of a selfie, highest first: very small ones and one that fills the picture alike."""
    near, wide = detector.detect(picture), _wide_look(detector, picture)
    both = Faces(
        np.concatenate([near.boxes, wide.boxes]),
        np.concatenate([near.scores, wide.scores]),
        np.concatenate([near.points, wide.points]),
    )
    kept = suppress(both.boxes, both.heights, MAX_OVERLAP, MAX_CONTAINED)
    return both.select(kept)


def _wide_look(detector: FaceDetector, picture: Bgr) -> Faces:
    """Detect on the picture shrunk inside a grey border."""
    height, width = picture.shape[:2]
    scale = min(WIDE_LONG_SIDE_PX / (max(height, width) * (1 + 2 * WIDE_BORDER)), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    x, y = round(size[0] * WIDE_BORDER), round(size[1] * WIDE_BORDER)
    canvas = np.full((size[1] + 2 * y, size[0] + 2 * x, 3), 127, np.uint8)
    canvas[y : y + size[1], x : x + size[0]] = small
    found = detector.detect(canvas)
    back = np.array([width / size[0], height / size[1]], np.float32)
    boxes = (found.boxes.reshape(-1, 2, 2) - np.array([x, y], np.float32)) * back
    points = (found.points - np.array([x, y], np.float32)) * back
    return Faces(boxes.reshape(-1, 4).astype(np.float32), found.scores, points.astype(np.float32))


def _comparable(faces: Faces) -> bool:
    """Whether another face is about as near to the camera as the first."""
    others = faces.heights[1:] >= COMPARABLE_HEIGHT * faces.heights[0]
    return bool((others & (faces.scores[1:] >= MIN_SECOND_SCORE)).any())
