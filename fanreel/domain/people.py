"""Which appearances of one video show the same unknown person.

Agglomerative clustering with complete linkage: everyone in a cluster is close to everyone else in it, so one
in-between face cannot chain two people together. Appearances visible at the same time are two people, always.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import AgglomerativeClustering

from fanreel.domain.faces import F32

SAME_PERSON_DISTANCE = 0.60
"""Largest distance between any two appearances of a person. Up to .60 no face in media/broadcast is nearer to a
wrong person (the first at .601, reference/models.md); on LFW 1 in 10,000 pairs of strangers is below .577."""

MIN_FACE_PX = 40.0
"""Smaller faces are not clustered: they drift towards each other (reference/models.md)."""

MIN_QUALITY = 0.35
"""Appearances whose pooled face quality is lower stay on their own, for the same reason."""

_CANNOT_LINK = 10.0
_BLOCK_ROWS = 2048


def cluster_people(
    templates: F32,
    cohesion: NDArray[Any],
    spans_ms: Sequence[tuple[int, int]],
    *,
    distance: float = SAME_PERSON_DISTANCE,
) -> NDArray[np.intp]:
    """Return a cluster label per template (n, d), unit rows; spans [start, end) that overlap are never joined.

    Pooling draws templates towards each other, strangers' as well: two templates of five faces lie nearer than
    their faces do. `cohesion` (n,), mean cosine of an appearance's faces to its template, undoes that: compared is
    the root mean square distance between single faces, the scale on which `distance` was measured.

    Labels are numbered in order of first row. Groups that no pair below `distance` connects are clustered apart:
    the answer is the same and a long broadcast needs no full distance matrix.
    """
    count = len(templates)
    templates = templates * np.asarray(cohesion, np.float32)[:, None]
    labels = np.full(count, -1, np.intp)
    spans = np.asarray(spans_ms, np.int64).reshape(-1, 2)
    following = 0
    for rows in _connected_groups(templates, distance):
        part = _cluster_group(templates[rows], spans[rows], distance)
        labels[rows] = part + following
        following += int(part.max()) + 1
    return _numbered_by_first_row(labels)


def union_of_spans(spans_ms: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the spans merged where they touch or overlap, ascending."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans_ms):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _cluster_group(templates: F32, spans: NDArray[np.int64], distance: float) -> NDArray[np.intp]:
    if len(templates) == 1:
        return np.zeros(1, np.intp)
    apart = _distances(templates, templates)
    together = (spans[:, None, 0] < spans[None, :, 1]) & (spans[None, :, 0] < spans[:, None, 1])
    apart[together] = _CANNOT_LINK
    np.fill_diagonal(apart, 0.0)
    model = AgglomerativeClustering(
        n_clusters=cast(Any, None), metric="precomputed", linkage="complete", distance_threshold=distance
    )
    return np.asarray(model.fit_predict(apart), np.intp)


def _connected_groups(templates: F32, distance: float) -> list[NDArray[np.intp]]:
    count = len(templates)
    if count == 0:
        return []
    firsts: list[NDArray[np.intp]] = []
    seconds: list[NDArray[np.intp]] = []
    for start in range(0, count, _BLOCK_ROWS):
        near = _distances(templates[start : start + _BLOCK_ROWS], templates) <= distance
        first, second = np.nonzero(near)
        firsts.append(first + start)
        seconds.append(second)
    row, column = np.concatenate(firsts), np.concatenate(seconds)
    graph = coo_matrix((np.ones(len(row), np.int8), (row, column)), shape=(count, count))
    groups, label = connected_components(graph, directed=False)
    return [np.flatnonzero(label == group) for group in range(int(groups))]


def _distances(first: F32, second: F32) -> F32:
    return np.sqrt(np.maximum(2.0 - 2.0 * (first @ second.T), 0.0)).astype(np.float32)


def _numbered_by_first_row(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
