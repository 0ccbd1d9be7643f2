"""Who is in the demo: faces of the sample photographs, named, with their boxes in photo pixels.

Boxes were measured with YuNet on `demo/sample*.jpg` of `@vladmandic/face-api` 1.7.15 (the version pinned in
`package-lock.json`), whole pixels.
"""

from dataclasses import dataclass
from pathlib import Path

from fanreel.errors import InputRejected


@dataclass(frozen=True, slots=True)
class Person:
    """A face in a photograph: x, y, width and height of the box, pixels."""

    name: str
    photo: str
    box: tuple[int, int, int, int]
    in_broadcast: bool = True

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the face, photo pixels."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


PEOPLE = (
    Person("amber", "sample3.jpg", (586, 336, 205, 270)),
    Person("ruth", "sample3.jpg", (1064, 207, 242, 313)),
    Person("bella", "sample3.jpg", (1493, 300, 198, 309)),
    Person("dina", "sample6.jpg", (251, 488, 217, 278)),
    Person("carla", "sample6.jpg", (675, 325, 183, 313)),
    Person("grace", "sample6.jpg", (1473, 262, 228, 296)),
    # Has selfies and is in no shot: must get nothing.
    Person("zoe", "sample5.jpg", (1403, 385, 201, 308), in_broadcast=False),
)


def photo_path(package: Path, name: str) -> Path:
    """Return a sample photograph. Raises `InputRejected` (`demo_photo_missing`)."""
    path = package / "demo" / name
    if not path.is_file():
        raise InputRejected("demo_photo_missing", f"{path} is missing: run `npm ci`")
    return path
