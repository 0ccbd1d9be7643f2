"""A short broadcast made on the spot, so that the main job can be seen without any material of one's own.

The faces come from the sample photographs inside the npm package `@vladmandic/face-api`; nothing of them is
kept in this repository. Everything is drawn from fixed seeds: the same package makes the same demo.
"""

from .maker import Demo, make_demo

__all__ = ["Demo", "make_demo"]
