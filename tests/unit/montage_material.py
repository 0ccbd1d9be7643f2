"""What montages are planned of in tests: videos, and people seen in them, so that times can be read off."""

from fanreel.contracts import (
    AppearanceDocument,
    Decision,
    Evidence,
    MatchDocument,
    ModelContract,
    MontageClip,
    MontagePlan,
    RenderStyle,
    Shot,
    VideoDocument,
)
from fanreel.domain.montage import MontageStyle, plan_montage

STYLE = MontageStyle(half_look_ms=0)
"""Clips are exactly as long as what was looked at, so that the expected times can be read off."""
PLAIN = RenderStyle()
CONTRACT = ModelContract(model_id="net", sha256="0" * 64, preprocessing="1")
EVIDENCE = Evidence(
    distance=0.4,
    threshold=0.5,
    review_threshold=0.6,
    threshold_reason="test",
    runner_up_fan_id=None,
    runner_up_margin=None,
    supporting_faces=5,
)


def bare_plan(*clips: MontageClip, crossfade_ms: int = 200, **style) -> MontagePlan:
    """A plan of these clips alone, as small as can be rendered; `style` is what its `RenderStyle` says."""
    return MontagePlan(
        montage_id="m-1",
        fan_id="somebody",
        event_id="e",
        clips=clips,
        duration_ms=0,
        crossfade_ms=crossfade_ms,
        width=320,
        height=180,
        render=RenderStyle(**style),
    )


def video(video_id="v-1", *, shots=((0, 100_000),), name=None, **more):
    """A video of these shots: `Shot`s, or (start_ms, end_ms)."""
    return VideoDocument(
        id=video_id,
        video_id=video_id,
        event_id="e",
        name=name or f"{video_id}.mp4",
        blob_name=f"e/{video_id}.mp4",
        blob_etag="1",
        instance_id="i",
        status="matching",
        duration_ms=max((one.end_ms if isinstance(one, Shot) else one[1] for one in shots), default=0),
        shots=tuple(one if isinstance(one, Shot) else Shot(start_ms=one[0], end_ms=one[1]) for one in shots),
        **more,
    )


PLACE = (0, 0, 100, 100)
BESIDE = (150, 0, 250, 100)
LOOK_MS = 200


def appearance(name, start_ms, end_ms, *, video_id="v-1", shot=0, excitement=0.5, peak_ms=None, **more):
    """Seen every `LOOK_MS` from start_ms on, in one place; `unseen` are looks at which the tracker lost them."""
    unseen = more.pop("unseen", ())
    stamps = tuple(pts for pts in range(start_ms, end_ms + 1, LOOK_MS) if pts not in unseen)
    box = more.pop("box", PLACE)
    peak = peak_ms if peak_ms is not None else (start_ms + end_ms) // 2
    curve = tuple(excitement * max(0.0, 1 - abs(pts - peak) / 10_000) for pts in stamps)
    return AppearanceDocument(
        id=name,
        video_id=video_id,
        event_id="e",
        start_ms=start_ms,
        end_ms=end_ms,
        shot_index=shot,
        pts_ms=stamps,
        boxes=tuple(box for _ in stamps),
        excitement=excitement,
        excitement_curve=curve,
        quality=more.pop("quality", 0.5),
        face_height_px=more.pop("face_height_px", 120.0),
        model_contract=CONTRACT,
        **more,
    )


def match(of, *, fan="fan", decision: Decision = "match", probability=0.95):
    return MatchDocument(
        id=f"{of.id}-{fan}-{decision}",
        fan_id=fan,
        video_id=of.video_id,
        event_id="e",
        appearance_id=of.id,
        start_ms=of.start_ms,
        end_ms=of.end_ms,
        probability=probability,
        decision=decision,
        evidence=EVIDENCE,
        model_contract=CONTRACT,
    )


def plan(appearances, videos=None, **more) -> MontagePlan:
    made = plan_or_none(appearances, videos, **more)
    assert made is not None
    return made


def plan_or_none(appearances, videos=None, *, matches=None, style=STYLE, render=PLAIN):
    videos = videos or [video()]
    return plan_montage(
        "fan",
        "e",
        [match(one) for one in appearances] if matches is None else matches,
        {one.id: one for one in appearances},
        {one.video_id: one for one in videos},
        style,
        render,
    )


def ranges(made: MontagePlan):
    return [(clip.start_ms, clip.end_ms) for clip in made.clips]


def known_by_sight(name, start_ms, end_ms, **more):
    """As a merge writes it: [start_ms, end_ms), where end_ms is the next look after the last sighting."""
    one = appearance(name, start_ms, end_ms - LOOK_MS, **more)
    return one.model_copy(update={"end_ms": end_ms})
