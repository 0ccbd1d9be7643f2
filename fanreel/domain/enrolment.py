"""A fan's selfies become one template: pure steps over the `fans` document.

State: created → enrolling → ready | rejected; a further good selfie makes a rejected fan ready, and a fan who is
ready stays so. Doing a step twice changes nothing: a selfie is known by its blob name and etag.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import FanDocument, ModelContract, SelfieRecord, Vectors
from fanreel.errors import ContractBroken, NotAllowed

OUTLIER_MIN_SELFIES = 3
"""With two selfies nobody can tell which one is somebody else."""

OUTLIER_DISTANCE = 0.65
"""A selfie farther than this from the mean of the others is not the same person: on Labelled Faces in the Wild
99.5 % of own pictures lie nearer to the mean of two others, and 98 % of strangers' farther."""

OUTLIER_REASON = "selfie_outlier"
OUTLIER_HINT = "This picture does not look like your other ones, so it is not used; is it really you?"

DISAGREE_DISTANCE = 0.68
"""Two selfies farther apart than this may be two people: 99 % of own pairs are nearer, 98.5 % of strangers'
farther (Labelled Faces in the Wild)."""

DISAGREE_REASON = "selfies_disagree"
"""Reason of a fan who is ready but whose two selfies may show two people: nothing is matched without review."""

MODEL_CHANGED_REASON = "model_changed"
MODEL_CHANGED_HINT = "We recognise faces in a new way now; please add this picture again."

NO_CONSENT_HINT = "Give your consent in the app first, then add the picture again."

MIN_WEIGHT = 0.5
"""Least weight of an accepted selfie. Quality doubts a turned face most, but a broadcast shows turned faces:
with free weights one frontal selfie outweighed two turned ones four to one, and the fan was missed
(media/broadcast, Joey)."""

UNIT_TOLERANCE = 0.02
"""Allowed error of a template's length; float16 packing costs about 1e-3."""


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


def with_selfie(fan: FanDocument, record: SelfieRecord, contract: ModelContract) -> FanDocument:
    """Return the fan with this selfie taken in and the template pooled anew.

    The template is the quality-weighted mean of the accepted selfies, brought to unit length. From three selfies
    on, one that is far from the mean of the others stays listed, flagged `selfie_outlier`, and is left out of the
    mean; two that may show two people make the fan's reason `selfies_disagree`. The same blob name and etag again
    change nothing; a new etag replaces the old picture. Selfies embedded by another network than `contract` are
    never pooled with this one: once it is accepted they are rejected as `model_changed`; until then they stand.

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
    selfies = _with_outliers_flagged((*others, record))
    pooled = pooled_selfies(fan.model_copy(update={"selfies": selfies}))
    update: dict[str, object] = {
        "selfies": selfies,
        "searched_selfies": max(0, min(fan.searched_selfies, len(fan.selfies)) - replaced),
    }
    if pooled:
        reason = None if _agree(pooled) else DISAGREE_REASON
        update |= {"status": "ready", "reason": reason, "template": _pool(pooled), "model_contract": contract}
    else:
        last = selfies[-1].reason or "selfie_not_usable"
        update |= {"status": "rejected", "reason": last, "template": None, "model_contract": None}
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


def _with_outliers_flagged(selfies: tuple[SelfieRecord, ...]) -> tuple[SelfieRecord, ...]:
    """Flag at most the one farthest selfie; flags of earlier rounds are judged anew."""
    fresh = tuple(
        one.model_copy(update={"reason": None, "hint": None}) if one.reason == OUTLIER_REASON else one
        for one in selfies
    )
    usable = [i for i, one in enumerate(fresh) if one.status == "accepted" and one.template is not None]
    if len(usable) < OUTLIER_MIN_SELFIES:
        return fresh
    distances = _distances_to_others([fresh[i] for i in usable])
    worst = int(np.argmax(distances))
    if float(distances[worst]) <= OUTLIER_DISTANCE:
        return fresh
    flagged = fresh[usable[worst]].model_copy(update={"reason": OUTLIER_REASON, "hint": OUTLIER_HINT})
    return tuple(flagged if i == usable[worst] else one for i, one in enumerate(fresh))


def _agree(pooled: Sequence[SelfieRecord]) -> bool:
    """Whether every selfie is near enough to the others."""
    if len(pooled) < 2:
        return True
    limit = DISAGREE_DISTANCE if len(pooled) == 2 else OUTLIER_DISTANCE
    return float(_distances_to_others(pooled).max()) <= limit


def _distances_to_others(selfies: Sequence[SelfieRecord]) -> NDArray[np.float32]:
    """Return each selfie's distance to the mean of the other ones, (n,), n ≥ 2."""
    rows, weights = selfie_rows(selfies)
    weighted = rows * weights[:, None]
    rest = weighted.sum(axis=0) - weighted
    rest /= np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-9)
    return np.linalg.norm(rows - rest, axis=1)


def _pool(selfies: Sequence[SelfieRecord]) -> Vectors:
    rows, weights = selfie_rows(selfies)
    mean = np.average(rows, axis=0, weights=weights)
    return Vectors.pack((mean / np.linalg.norm(mean)).astype(np.float32)[None, :])
