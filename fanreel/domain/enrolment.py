"""A fan's selfies become one template: pure steps over the `fans` document.

State: created → enrolling → ready | rejected; a further good selfie makes a rejected fan ready, and a fan who is
ready stays so. Doing a step twice changes nothing: a selfie is known by its blob name and etag.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import FanDocument, ModelContract, SelfieRecord, Vectors
from fanreel.errors import ContractBroken, NotAllowed

OUTLIER_MIN_SELFIES = 3
"""With two selfies nobody can tell which one is somebody else."""

OUTLIER_FMR = 0.015
"""A selfie that lies farther from the mean of the others than this share of strangers do is not taken for the same
person. On Labelled Faces in the Wild 0.4 % of own pictures lie farther from the mean of two others, and 98 % of
strangers' do."""

OUTLIER_REASON = "selfie_outlier"
OUTLIER_HINT = "This picture does not look like your other ones, so it is not used; is it really you?"

DISAGREE_FMR = 0.01
"""Two selfies farther apart than this share of strangers' may show two people: of own pairs 1.2 % are, and 98 % of
strangers' (Labelled Faces in the Wild)."""

DISAGREE_REASON = "selfies_disagree"
"""Reason of a fan who is ready but whose selfies may show two people: nothing is matched without review."""

SELFIE_DISAGREES_REASON = "selfie_disagrees"
"""Reason of each of these selfies: all are used, since nobody can tell which one is wrong."""
SELFIE_DISAGREES_HINT = (
    "Your pictures do not look like one person; replace the one that is not you, or add another."
)

MODEL_CHANGED_REASON = "model_changed"
MODEL_CHANGED_HINT = "We recognise faces in a new way now; please add this picture again."

NO_CONSENT_HINT = "Give your consent in the app first, then add the picture again."

MIN_WEIGHT = 0.5
"""Least weight of an accepted selfie. Quality doubts a turned face most, but a broadcast shows turned faces:
with free weights one frontal selfie outweighed two turned ones four to one, and the fan was missed
(media/broadcast, Joey)."""

UNIT_TOLERANCE = 0.02
"""Allowed error of a template's length; float16 packing costs about 1e-3."""

_JUDGED_ANEW = (OUTLIER_REASON, SELFIE_DISAGREES_REASON)
"""Reasons that depend on a fan's other selfies."""


class Strangers(Protocol):
    """How far strangers lie from each other, as measured for one contract (`matching.Calibration`)."""

    @property
    def contract(self) -> ModelContract:
        """The networks that were measured."""
        ...

    def distance_at(self, fmr: float, cohesion: NDArray[Any]) -> NDArray[np.float64]:
        """Return the distance nearer than which this share of strangers lies; cohesion 1 is a single picture."""
        ...

    def distances(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how far unit rows (n, d) and (n, d) are apart, pair by pair, in the same measure."""
        ...


def unit_rows(vectors: Vectors, **details: object) -> NDArray[np.float32]:
    """Unpack templates, float32 (n, d) unit rows; a row that is not finite or not of unit length is a bug.

    Raises:
        ContractBroken: `template_invalid`.
    """
    rows = vectors.unpack()
    lengths = np.linalg.norm(rows, axis=1)
    if not bool(np.all(np.abs(lengths - 1.0) <= UNIT_TOLERANCE)):  # NaN compares false
        raise ContractBroken("template_invalid", "a template is not a finite row of unit length", **details)
    return rows / lengths[:, None]


def pooled_selfies(fan: FanDocument) -> tuple[SelfieRecord, ...]:
    """Return the selfies the template is made of: accepted, embedded, no outlier; by blob name."""
    chosen = (
        selfie
        for selfie in fan.selfies
        if selfie.status == "accepted" and selfie.template is not None and selfie.reason != OUTLIER_REASON
    )
    return tuple(sorted(chosen, key=lambda selfie: selfie.blob_name))


def selfie_rows(selfies: Sequence[SelfieRecord]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the embedded selfies' unit rows (n, d) and weights (n,)."""
    embedded = [(one.template, one) for one in selfies if one.template is not None]
    rows = np.concatenate([unit_rows(template, blob_name=one.blob_name) for template, one in embedded])
    weights = np.array([max(one.quality, MIN_WEIGHT) for _, one in embedded], np.float32)
    return rows, weights


def with_enrolment_started(fan: FanDocument) -> FanDocument:
    """Mark that a selfie is being looked at; a fan who is ready stays ready.

    Raises:
        NotAllowed: `fan_erased`.
    """
    _refuse_erased(fan)
    return fan if fan.status in ("ready", "enrolling") else fan.model_copy(update={"status": "enrolling"})


def with_selfie(
    fan: FanDocument, record: SelfieRecord, contract: ModelContract, strangers: Strangers
) -> FanDocument:
    """Return the fan with this selfie taken in and the template pooled anew.

    The template is the quality-weighted mean of the accepted selfies, brought to unit length. From three selfies
    on, those that are far from the mean of the others stay listed, flagged `selfie_outlier`, and are left out of
    the mean, as long as at least two agree for each. Where those that remain may still show two people, each is
    flagged `selfie_disagrees`, and the fan's reason is `selfies_disagree`. The same blob name and etag again
    change nothing; a new etag replaces the old picture. Selfies embedded by another network than `contract` are
    never pooled with this one: once it is accepted they are rejected as `model_changed`; until then they stand.
    Selfies are compared only when `strangers` were measured with the fan's network (no other can be searched).

    Raises:
        NotAllowed: `fan_erased`.
        ContractBroken: `template_invalid`.
    """
    _refuse_erased(fan)
    if any((old.blob_name, old.blob_etag) == (record.blob_name, record.blob_etag) for old in fan.selfies):
        return fan
    record = _with_consent_checked(fan, record)
    others = tuple(old for old in fan.selfies if old.blob_name != record.blob_name)
    replaced = len(fan.selfies) - len(others)
    if fan.model_contract is not None and fan.model_contract != contract:
        if record.status == "accepted":
            others = tuple(_of_earlier_model(old) for old in others)
        else:
            contract = fan.model_contract
    selfies = (*others, record)
    if strangers.contract == contract:
        selfies = _with_doubts_told(selfies, strangers)
    pooled = pooled_selfies(fan.model_copy(update={"selfies": selfies}))
    update: dict[str, object] = {
        "selfies": selfies,
        "searched_selfies": max(0, min(fan.searched_selfies, len(fan.selfies)) - replaced),
    }
    if pooled:
        disagree = any(one.reason == SELFIE_DISAGREES_REASON for one in pooled)
        update |= {"status": "ready", "reason": DISAGREE_REASON if disagree else None}
        template, cohesion = _pool(pooled)
        update |= {"template": template, "cohesion": cohesion, "model_contract": contract}
    else:
        last = selfies[-1].reason or "selfie_not_usable"
        update |= {"status": "rejected", "reason": last}
        update |= {"template": None, "cohesion": None, "model_contract": None}
    return fan.model_copy(update=update)


def _refuse_erased(fan: FanDocument) -> None:
    if fan.status == "erased":
        raise NotAllowed("fan_erased", "this fan asked to be forgotten", fan_id=fan.fan_id)


def _with_consent_checked(fan: FanDocument, record: SelfieRecord) -> SelfieRecord:
    """Without recorded consent nothing biometric is kept, whatever the picture shows."""
    if fan.consent is not None and fan.consent.given:
        return record
    return SelfieRecord(
        blob_name=record.blob_name,
        blob_etag=record.blob_etag,
        status="rejected",
        reason="consent_missing",
        hint=NO_CONSENT_HINT,
    )


def _of_earlier_model(selfie: SelfieRecord) -> SelfieRecord:
    if selfie.status != "accepted":
        return selfie
    return SelfieRecord(
        blob_name=selfie.blob_name,
        blob_etag=selfie.blob_etag,
        status="rejected",
        reason=MODEL_CHANGED_REASON,
        hint=MODEL_CHANGED_HINT,
    )


def _with_doubts_told(selfies: tuple[SelfieRecord, ...], strangers: Strangers) -> tuple[SelfieRecord, ...]:
    """Flag the farthest selfie while most others agree against it, then those that still disagree.

    Flags of earlier rounds are judged anew, so the order in which selfies came does not matter.
    """
    told = [_told(one, None, None) if one.reason in _JUDGED_ANEW else one for one in selfies]
    usable = [i for i, one in enumerate(told) if one.status == "accepted" and one.template is not None]
    usable.sort(key=lambda i: told[i].blob_name)
    left_out = 0
    while len(usable) >= 2:
        distances, limits = _distances_and_limits([told[i] for i in usable], strangers)
        worst = int(np.argmax(distances))
        if float(distances[worst]) <= float(limits[worst]):
            break
        if len(usable) < OUTLIER_MIN_SELFIES or len(usable) - 1 < 2 * (left_out + 1):
            for i in usable:
                told[i] = _told(told[i], SELFIE_DISAGREES_REASON, SELFIE_DISAGREES_HINT)
            break
        left_out += 1
        told[usable[worst]] = _told(told[usable[worst]], OUTLIER_REASON, OUTLIER_HINT)
        del usable[worst]
    return tuple(told)


def _told(selfie: SelfieRecord, reason: str | None, hint: str | None) -> SelfieRecord:
    return selfie.model_copy(update={"reason": reason, "hint": hint})


def _distances_and_limits(
    selfies: Sequence[SelfieRecord], strangers: Strangers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each selfie's distance to the mean of the other ones and the farthest one's own lies, (n,), n ≥ 2."""
    rows, weights = selfie_rows(selfies)
    weighted = rows * weights[:, None]
    rest = (weighted.sum(axis=0) - weighted) / (weights.sum() - weights)[:, None]
    cohesion = np.minimum(np.linalg.norm(rest, axis=1), 1.0)
    rest /= np.maximum(cohesion[:, None], 1e-9)
    rate = DISAGREE_FMR if len(selfies) == 2 else OUTLIER_FMR
    return strangers.distances(rows, rest.astype(np.float32)), strangers.distance_at(rate, cohesion)


def _pool(selfies: Sequence[SelfieRecord]) -> tuple[Vectors, float]:
    """Return the template and the mean cosine of the selfies with it."""
    rows, weights = selfie_rows(selfies)
    mean = np.average(rows, axis=0, weights=weights)
    length = float(np.linalg.norm(mean))
    return Vectors.pack((mean / length).astype(np.float32)[None, :]), min(length, 1.0)
