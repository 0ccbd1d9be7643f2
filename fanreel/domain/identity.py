"""Whose moments a track holds: one box can pass from person to person, and only embedded faces can tell.

Nobody may get a stranger's moment, so a sighting counts as somebody's only when a face seen near it says so. What
that costs is an appearance more, cut in two, or a turned head's second left out.
"""

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.stitching import FaceSamples
from fanreel.domain.templates import OUTLIER_DISTANCE, WITNESS_MS

SPLIT_DISTANCE = 0.58
"""When the mean of a run of at least two faces of a track and the mean of at least two others are this far apart,
two people were taken for one. On media/broadcast the halves of one person's track stay below .52 (52 tracks); nine
tenths of the pairs of strangers seen together lie beyond .65. A face alone may stray as far as one is pooled."""

REACH_MS = WITNESS_MS
"""How far a face vouches for the sightings around it. Every second has an embedded face when it has a good one, so
no two of those are farther apart than twice this; what lies farther off was too poor to be anybody's."""

NOBODY = -1

_BLOCK_ROWS = 256


def recognised(pts_ms: NDArray[np.int64], faces: FaceSamples) -> NDArray[np.intp]:
    """Return for each sighting (n,) of a track, ascending, whose it is: a number per person, NOBODY when unproven.

    It is somebody's when the embedded faces before and after it are theirs and the nearer of them lies within
    REACH_MS; a face vouches for its own sighting. So before the first face, after the last one and between two
    people's faces it is nobody's: every good end of a track is embedded, and who is in the box beyond it, blurred
    or turned away, nobody can tell.
    """
    person = people_of_faces(faces)
    after = np.searchsorted(faces.pts_ms, pts_ms, side="left")
    before = np.searchsorted(faces.pts_ms, pts_ms, side="right") - 1
    between = (before >= 0) & (after < len(faces))
    left, right = np.maximum(before, 0), np.minimum(after, len(faces) - 1)
    nearest_ms = np.minimum(np.abs(pts_ms - faces.pts_ms[left]), np.abs(pts_ms - faces.pts_ms[right]))
    proven = between & (person[left] == person[right]) & (nearest_ms <= REACH_MS)
    return np.where(proven, person[left], NOBODY)


def people_of_faces(faces: FaceSamples) -> NDArray[np.intp]:
    """Return a number for each embedded face (n,), another one after every change: A, B, A again are 0, 1, 2."""
    weights = np.maximum(faces.quality.astype(np.float64), 1e-6)
    runs = _runs(weights[:, None] * faces.vectors.astype(np.float64), 0, len(faces))
    return np.repeat(np.arange(len(runs)), [stop - start for start, stop in runs])


def _runs(weighted: NDArray[np.float64], start: int, stop: int) -> list[tuple[int, int]]:
    """Cut rows start..stop into runs of one person: the most telling run first, then each part again."""
    pending, runs = [(start, stop)], list[tuple[int, int]]()
    while pending:
        low, high = pending.pop()
        found = _strangest_run(weighted[low:high])
        if found is None:
            runs.append((low, high))
            continue
        first, last = low + found[0], low + found[1]
        pending += [(a, b) for a, b in ((low, first), (first, last), (last, high)) if a < b]
    return sorted(runs)


def _strangest_run(weighted: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return the run [first, last) whose mean is farther from the mean of all others than one person's can be.

    Of several, the one that explains most of the scatter (Ward 1963), which ends where the person does. The means
    are untrimmed: a trimmed one hides the other person's first face. From running sums c_i, the sum of
    a run is c_last − c_first, so all its products come from those of the c_i: n² numbers, a block of rows at once.
    """
    count = len(weighted)
    sums = np.concatenate([np.zeros((1, weighted.shape[1])), np.cumsum(weighted, axis=0)])
    squares, along, at = np.einsum("nd,nd->n", sums, sums), sums @ sums[-1], np.arange(count + 1)
    most, found = 0.0, None
    for begin in range(0, count, _BLOCK_ROWS):
        rows = slice(begin, begin + _BLOCK_ROWS)
        inner = squares[rows, None] + squares[None, :] - 2 * (sums[rows] @ sums.T)
        crossing = along[None, :] - along[rows, None]
        outer = squares[-1] - 2 * crossing + inner
        cosine = (crossing - inner) / np.sqrt(np.maximum(inner * outer, 1e-18))
        length = at[None, :] - at[rows, None]
        fewer = np.minimum(length, count - length)
        apart = 2 - 2 * cosine
        too_far = apart > np.where(fewer > 1, SPLIT_DISTANCE, OUTLIER_DISTANCE) ** 2
        explained = np.where(too_far & (fewer > 0), apart * length * (count - length), 0.0)
        first, last = np.unravel_index(int(explained.argmax()), explained.shape)
        if explained[first, last] > most:
            most, found = float(explained[first, last]), (begin + int(first), int(last))
    return found
