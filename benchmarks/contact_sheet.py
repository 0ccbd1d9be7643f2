"""Contact sheets of rendered montages: what somebody who looks at them sees first.

    make demo && python -m benchmarks.contact_sheet demo-out docs/montages.jpg

One row per montage: the poster, frames of the film at even distances, frames of the upright film. Only of material
that may be shown: the demo's broadcast is made of photographs that ship with an npm package under MIT.
"""

import argparse
from pathlib import Path

import av
import cv2
import numpy as np

from fanreel.domain.faces import Bgr

ROW_PX = 150
WIDE_FRAMES, UPRIGHT_FRAMES = 7, 4
GAP_PX = 4
NAME_PX = 16


def frames_of(film: Path, count: int) -> list[Bgr]:
    """Return so many frames of a film, the first and the last a little inside it."""
    with av.open(str(film)) as container:
        pictures = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]
    places = (np.linspace(0.04, 0.96, count) * (len(pictures) - 1)).round().astype(int)
    return [pictures[place] for place in places.tolist()]


def sheet(folder: Path) -> Bgr:
    """Return the contact sheet of every montage in a folder, by name."""
    rows = [_row(film) for film in sorted(folder.glob("*.mp4")) if not film.name.endswith(".vertical.mp4")]
    width = max(row.shape[1] for row in rows)
    padded = [cv2.copyMakeBorder(r, 0, GAP_PX, 0, width - r.shape[1], cv2.BORDER_CONSTANT, value=0) for r in rows]
    return np.asarray(np.vstack(padded), np.uint8)


def _row(film: Path) -> Bgr:
    pictures = [np.asarray(cv2.imread(str(film.with_suffix(".jpg"))), np.uint8), *frames_of(film, WIDE_FRAMES)]
    upright = film.with_suffix(".vertical.mp4")
    if upright.exists():
        pictures += frames_of(upright, UPRIGHT_FRAMES)
    tiles = [_tile(picture) for picture in pictures]
    strip = np.hstack(tiles)
    name = np.zeros((NAME_PX, strip.shape[1], 3), np.uint8)
    cv2.putText(
        name, f"{film.stem}: poster, film, upright", (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1
    )
    return np.asarray(np.vstack([name, strip]), np.uint8)


def _tile(picture: Bgr) -> Bgr:
    width = round(picture.shape[1] * ROW_PX / picture.shape[0])
    small = cv2.resize(picture, (width, ROW_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.copyMakeBorder(small, 0, 0, 0, GAP_PX, cv2.BORDER_CONSTANT, value=0), np.uint8)


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where `fanreel run` left its montages")
    parser.add_argument("out", type=Path, help="the sheet, as JPEG")
    arguments = parser.parse_args()
    cv2.imwrite(str(arguments.out), sheet(arguments.folder), [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(f"written to {arguments.out}")


if __name__ == "__main__":
    main()
