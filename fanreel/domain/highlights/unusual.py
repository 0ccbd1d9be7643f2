"""How far each second is from what is usual in this very match."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from fanreel.domain.excitement import F64

from .parts import robust_scale

LEAST_SECONDS = 60
"""Less than a minute has no usual."""
CONFIDENCE = 0.9999
"""A second is unusual when, of normally distributed ones, at most one in ten thousand lies so far away."""


def unusual_seconds(features: NDArray[np.float64]) -> F64:
    """Return the robust Mahalanobis distance of each row of features (seconds, measures), in standard deviations.

    Centre and covariance are the orthogonalised Gnanadesikan-Kettenring estimate (Maronna and Zamar, "Robust
    estimates of location and dispersion for high-dimensional datasets", 2002) of median and median absolute
    deviation: up to half of the match may be unusual without becoming the usual. Measures that never change are
    left out; zeros when none is left or the video is shorter than `LEAST_SECONDS`.
    """
    if len(features) < LEAST_SECONDS:
        return np.zeros(len(features))
    scales = np.array([robust_scale(column) for column in features.T])
    if not (scales > 0).any():
        return np.zeros(len(features))
    used = features[:, scales > 0]
    scored = (used - np.median(used, axis=0)) / scales[scales > 0]
    axes = scored @ np.linalg.eigh(_pairwise_covariance(scored))[1]
    spread = np.array([robust_scale(column) for column in axes.T])
    axes, spread = axes[:, spread > 1e-9], spread[spread > 1e-9]
    squared = np.square((axes - np.median(axes, axis=0)) / spread).sum(axis=1)
    # Measures depend on one another beyond covariance and have heavy tails: the middle of the match sets the
    # scale.
    wide = max(1.0, float(np.median(squared)) / float(chi2.ppf(0.5, axes.shape[1])))
    return np.sqrt(squared / wide)


def unusual_from(measures: int) -> float:
    """Return the distance from which a second of so many measures is unusual."""
    return float(np.sqrt(chi2.ppf(CONFIDENCE, max(1, measures))))


def _pairwise_covariance(scored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the covariance of every two columns, told from the robust scales of their sum and difference."""
    width = scored.shape[1]
    covariance = np.eye(width)
    for one in range(width):
        for other in range(one):
            plus, minus = scored[:, one] + scored[:, other], scored[:, one] - scored[:, other]
            covariance[one, other] = (robust_scale(plus) ** 2 - robust_scale(minus) ** 2) / 4
            covariance[other, one] = covariance[one, other]
    return covariance
