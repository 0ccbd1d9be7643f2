"""The numbers by which a face becomes somebody, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MatchPolicy:
    """Every number of the decision. Loosening any of them needs a measurement (`benchmarks/`).

    Distances are L2 distances of unit templates; what they mean is the calibration's to say.
    """

    target_false_matches: float = 0.05
    """Expected strangers matched per search of one video; divided by fans × appearances it is the pair FMR."""

    min_search_pairs: int = 1_000
    """A search counts as at least this many pairs: a tiny gallery must not loosen the threshold beyond a pair FMR
    of 5e-5. Single pictures were measured to 1e-5; below, and for pools below 3e-4, the fitted tail goes on."""

    review_factor: float = 20.0
    """Review reaches to this multiple of the pair FMR: one stranger per search of a thousand pairs waits for a
    person's eye, a load a person can carry."""

    prior_present: float = 0.1
    """Chance, before looking, that a face on screen belongs to anybody enrolled: a stadium's crowd is mostly
    strangers. Shared evenly among the fans it is the prior of each."""

    min_match_probability: float = 0.8
    """Posterior below which a close distance is still not a match: with many fans the prior of each is small."""

    min_supporting_faces: int = 2
    """One face can be one unlucky frame."""

    min_face_height_px: float = 40.0
    """Below it faces drift towards each other: self-FAR .4 % at 30 px, 1.7 % at 20 px (reference measurements)."""

    min_sharpness: float = 0.25
    """Blurred faces drift towards each other: self-FAR 1.3 % at a blur of sigma 2 px (which measures .5), 5 % at
    sigma 3 (.1). Unit: `AppearanceDocument.sharpness`, 0..1."""

    min_runner_up_margin: float = 1.4
    """Strangers' standard deviations (.05 of distance each) by which the next fan must be farther, .07 in
    all. Siblings who enrol both go to a person's eye."""

    min_rival_margin: float = 1.4
    """Likewise for any other face of the same frames: two faces of one frame are two people, so only the clearly
    nearest can be the fan."""

    same_place_iou: float = 0.5
    """Co-visible boxes overlapping more than this are one face seen twice, not two people."""

    max_spread: float = 0.42
    """Root-mean-square distance of a track's faces to their template. One person's tracks in the shared broadcast
    stay below .39; two strangers half and half lie at .45 and more."""

    gender_confidence: float = 0.9
    """Apparent gender counts only when both sides are at least this sure (right on 69 of 70 faces)."""

    max_age_gap_years: float = 25.0
    """Eight photographs of one person read 32 to 45: twice that range is a contradiction."""

    age_min_face_height_px: float = 100.0
    """Age drifts by 3 years at 60 px and by 11 at 20 px; it is used on large faces only."""

    age_min_quality: float = 0.6
    """Age is used on faces at least this good (`AppearanceDocument.quality`)."""

    chunk_appearances: int = 256
    """Rows per matrix product: 256 × 10,000 float32 scores are 10 MB."""

    def pair_fmr(self, fans: int, appearances: int) -> float:
        """Return the false-match rate one comparison may have in a search of fans × appearances."""
        return self.target_false_matches / max(fans * appearances, self.min_search_pairs)
