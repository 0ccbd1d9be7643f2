"""The pictures: camera moves over photographs, and a synthetic pitch with players between them."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32, Bgr

WIDTH, HEIGHT, FPS = 1280, 720, 25
PITCH_WIDTH, PITCH_HEIGHT = 2400, 1200
KITS = ((60, 40, 200), (210, 130, 30))


@dataclass(frozen=True, slots=True)
class View:
    """What the camera sees of a photo: centre and width of a 16:9 window, photo pixels."""

    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot. With a photo: the camera goes from `start` to `end`. Without: the pitch. `frames` at 25 fps."""

    frames: int
    photo: str | None = None
    start: View = View(0, 0, 1)
    end: View = View(0, 0, 1)
    shake_px: float = 5.0
    """Amplitude of the hand-held shake, output pixels."""


def _pitch(seconds: float) -> Shot:
    return Shot(round(seconds * FPS))


def _fans(seconds: float, photo: int, start: View, end: View, shake_px: float = 5.0) -> Shot:
    return Shot(round(seconds * FPS), f"sample{photo}.jpg", start, end, shake_px)


SHOTS = (
    _pitch(4.0),
    _fans(4.0, 3, View(1010, 560, 1700), View(1050, 520, 1420)),
    _fans(4.0, 6, View(1430, 560, 1000), View(1520, 480, 860), 8.0),
    _pitch(4.0),
    _fans(4.0, 3, View(640, 500, 900), View(690, 480, 720)),
    _fans(3.6, 4, View(900, 560, 1700), View(980, 420, 1300), 7.0),
    _fans(4.6, 6, View(560, 640, 1100), View(590, 600, 960)),
    _pitch(3.6),
    _fans(4.4, 3, View(1400, 520, 1000), View(1360, 480, 940), 8.0),
    _fans(4.0, 6, View(1600, 450, 620), View(1585, 430, 540)),
    _fans(3.4, 3, View(1600, 490, 620), View(1590, 470, 560), 7.0),
    _fans(3.4, 6, View(770, 560, 640), View(765, 520, 560)),
    _pitch(3.0),
)


def view_matrix(shot: Shot, frame: int, shot_index: int) -> F32:
    """Return the 2×3 affine map from photo to output pixels at a frame of a shot."""
    progress = frame / max(1, shot.frames - 1)
    eased = progress * progress * (3 - 2 * progress)
    x = shot.start.x + (shot.end.x - shot.start.x) * eased
    y = shot.start.y + (shot.end.y - shot.start.y) * eased
    scale = WIDTH / (shot.start.width + (shot.end.width - shot.start.width) * eased)
    time, phase = frame / FPS, shot_index * 1.7
    shake_x = shot.shake_px * (math.sin(6.1 * time + phase) + 0.5 * math.sin(14.3 * time + 2 * phase))
    shake_y = shot.shake_px * (math.cos(5.3 * time + phase) + 0.5 * math.sin(12.7 * time + 3 * phase))
    return np.array(
        [[scale, 0, WIDTH / 2 - scale * x + shake_x], [0, scale, HEIGHT / 2 - scale * y + shake_y]], np.float32
    )


def fan_frame(photo: Bgr, shot: Shot, frame: int, shot_index: int) -> Bgr:
    """Return one frame of a photo shot: moved, zoomed, shaken, in flickering light."""
    matrix = view_matrix(shot, frame, shot_index)
    picture = cv2.warpAffine(
        photo, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    gain = 1.0 + 0.03 * math.sin(2.2 * frame / FPS + shot_index)
    return np.asarray(cv2.convertScaleAbs(picture, alpha=gain), np.uint8)


def draw_pitch() -> Bgr:
    """Return the empty pitch, larger than a frame, so that the camera can pan."""
    pitch = np.zeros((PITCH_HEIGHT, PITCH_WIDTH, 3), np.uint8)
    for stripe in range(16):
        left = stripe * PITCH_WIDTH // 16
        pitch[:, left : left + PITCH_WIDTH // 16] = (52, 132, 58) if stripe % 2 else (46, 118, 50)
    white, thick = (225, 235, 225), 6
    middle = PITCH_WIDTH // 2
    cv2.rectangle(pitch, (80, 80), (PITCH_WIDTH - 80, PITCH_HEIGHT - 80), white, thick)
    cv2.line(pitch, (middle, 80), (middle, PITCH_HEIGHT - 80), white, thick)
    cv2.circle(pitch, (middle, PITCH_HEIGHT // 2), 150, white, thick, cv2.LINE_AA)
    cv2.circle(pitch, (middle, PITCH_HEIGHT // 2), 9, white, -1, cv2.LINE_AA)
    for left, right in ((80, 400), (PITCH_WIDTH - 400, PITCH_WIDTH - 80)):
        cv2.rectangle(pitch, (left, 300), (right, PITCH_HEIGHT - 300), white, thick)
    grain = np.random.default_rng(5).integers(-7, 8, (PITCH_HEIGHT, PITCH_WIDTH, 1), np.int16)
    return np.clip(pitch.astype(np.int16) + grain, 0, 255).astype(np.uint8)


def pitch_frame(pitch: Bgr, shot: Shot, frame: int, shot_index: int) -> Bgr:
    """Return one frame of play: players and ball run, the camera follows, the score stands in the corner."""
    time = frame / FPS + 10.0 * shot_index
    picture = pitch.copy()
    ball = _around(PITCH_WIDTH / 2, PITCH_HEIGHT / 2, 700, 380, 0.9 * time, 1.31 * time)
    for number in range(22):
        _draw_player(picture, number, time, ball)
    cv2.circle(picture, (round(ball[0]), round(ball[1])), 9, (250, 250, 250), -1, cv2.LINE_AA)
    width = 1500.0 - 200.0 * frame / shot.frames
    view = View(
        min(max(ball[0], width / 2), PITCH_WIDTH - width / 2), PITCH_HEIGHT / 2 + 0.2 * (ball[1] - 600), width
    )
    matrix = view_matrix(Shot(shot.frames, "", view, view, 2.0), frame, shot_index)
    seen = np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR), np.uint8)
    _draw_score(seen, time)
    return seen


def _around(x: float, y: float, reach_x: float, reach_y: float, a: float, b: float) -> tuple[float, float]:
    return x + reach_x * math.sin(a), y + reach_y * math.sin(b + 0.6)


def _draw_player(picture: Bgr, number: int, time: float, ball: tuple[float, float]) -> None:
    home_x = PITCH_WIDTH * (0.12 + 0.76 * ((number * 7) % 22) / 21)
    home_y = PITCH_HEIGHT * (0.15 + 0.7 * ((number * 5) % 11) / 10)
    x, y = _around(home_x, home_y, 70, 55, time * 0.8 + number, time * 1.1 + 2 * number)
    # Everyone drifts towards the ball, as players do.
    x, y = x + 0.25 * (ball[0] - x), y + 0.2 * (ball[1] - y)
    foot = (round(x), round(y))
    stride = round(9 * math.sin(9 * time + number))
    cv2.ellipse(picture, (foot[0] + 14, foot[1] + 4), (26, 9), 0, 0, 360, (34, 82, 36), -1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.line(
            picture, (foot[0], foot[1] - 26), (foot[0] + side * stride, foot[1]), (60, 70, 90), 7, cv2.LINE_AA
        )
    cv2.ellipse(picture, (foot[0], foot[1] - 42), (13, 22), 0, 0, 360, KITS[number % 2], -1, cv2.LINE_AA)
    cv2.circle(picture, (foot[0], foot[1] - 70), 9, (120, 150, 190), -1, cv2.LINE_AA)


def _draw_score(picture: Bgr, time: float) -> None:
    cv2.rectangle(picture, (40, 32), (330, 76), (40, 30, 24), -1)
    text = f"FAN 2-1 REL  {int(time) // 60 + 41:02d}:{int(time) % 60:02d}"
    cv2.putText(picture, text, (54, 62), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (245, 245, 245), 2, cv2.LINE_AA)


def face_box(matrix: F32, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Return x0, y0, x1, y1 of a photo's face box in output pixels."""
    x, y, width, height = box
    corners = np.array([[x, y, 1], [x + width, y + height, 1]], np.float32)
    return np.asarray(corners @ matrix.T, np.float32).reshape(4)
