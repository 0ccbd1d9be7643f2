"""A fan's montage: plan, render, publish (DESIGN §2, steps 10 to 12).

Files are content-addressed by the plan's id. The document only ever changes from what it was before the plan was
made, and a published plan is made once more afterwards: whatever races or repeats, nothing older overtakes and
nothing that was taken back stays out.
"""

from pathlib import Path

from fanreel.adapters.media.render import render_montage as render
from fanreel.adapters.media.render_graph import RenderSource
from fanreel.adapters.media.render_run import STOPPED
from fanreel.adapters.media.scratch import scratch_folder
from fanreel.adapters.originals import is_in_storage
from fanreel.adapters.services import Services
from fanreel.contracts import (
    MontageDocument,
    MontagePlan,
    MontagePlanned,
    MontageWork,
    RenderOutcome,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.domain.cancelling import CANCELLED, is_held, is_wanted, withheld
from fanreel.domain.montage import choose_poster
from fanreel.errors import InputRejected, TransientFault
from fanreel.profiles import beside_profile

from .base import activity, log
from .captions import network_captions
from .montage_plans import (
    Material,
    best_plan,
    gather,
    holds,
    may_have_montages,
    plan_of_what_is_there,
    style_of,
)
from .montage_records import (
    current_montage,
    delete_files,
    give_up,
    rendered_blob,
    rendering,
    replace_montage,
    settle,
    source_missing,
    updating,
    withdraw,
)
from .montage_watch import RenderWatch
from .posters import poster_picture
from .videos import load_plan

# ffmpeg reads the source through the link for as long as a render takes.
_RENDER_LINK_MINUTES = 60

_ROUNDS = 10
"""Times a step decides again because the document changed under it, before it is retried as a whole."""

OVERTAKEN = "overtaken"
"""Reason why a planned montage is not out: it is not what would be planned now. The workflow plans again."""


@activity
def plan_montage(services: Services, work: MontageWork) -> MontagePlanned:
    """Choose the moments; nothing to do when there are none or the same plan is already out."""
    for _ in range(_ROUNDS):
        # Read before the material: whoever changes it from here on may have seen newer matches than we did.
        current = current_montage(services, work)
        planned = _planned(services, work, current, gather(services, work))
        if planned is not None:
            return planned
    raise TransientFault("montage_contended", "Others keep changing this montage; try again later.")


@activity
def render_montage(services: Services, work: MontageWork) -> RenderOutcome:
    """Cut, mix and encode the planned montage and store its files; done already, it is not done again.

    Stops as soon as it is not what is being made any more: cancelled, overtaken, withdrawn, the fan erased.
    """
    container = services.settings.container_results
    plan = services.blobs.get_json(container, naming.montage_plan_blob(work.fan_id, work.montage_id), MontagePlan)
    if plan is None:  # somebody found that it is superseded and has cleaned up
        return RenderOutcome(rendered=False, reason=OVERTAKEN)
    watch = RenderWatch(services, work)
    if watch.is_unwanted():  # and if not, the document tells from here on that this is under way
        return _dropped(services, work)
    rendered = services.blobs.get_json(container, rendered_blob(work), MontageDocument)
    if rendered is not None and _has_files(services, rendered):
        return RenderOutcome(rendered=True)
    try:
        document = _render(services, plan, watch)
    except InputRejected as rejected:
        if rejected.code == STOPPED:
            return _dropped(services, work)
        log.warning("montage.rejected", montage_id=work.montage_id, reason=rejected.code)
        give_up(services, work, rejected.code)
        return RenderOutcome(rendered=False, reason=rejected.code)
    services.blobs.put_json(container, rendered_blob(work), document, overwrite=True)
    return RenderOutcome(rendered=True)


@activity
def publish_montage(services: Services, work: MontageWork) -> MontagePlanned:
    """Put the rendered montage out, if it is still what would be planned now; `needed` says that it is out."""
    rendered = services.blobs.get_json(services.settings.container_results, rendered_blob(work), MontageDocument)
    for _ in range(_ROUNDS):
        current = current_montage(services, work)
        if rendered is None or not holds(services, work):
            return _overtaken(services, work, current)
        if is_held(current) and not _is_out(current, work.montage_id):
            return MontagePlanned(montage_id=work.montage_id, needed=False, reason=_dropped(services, work).reason)
        published = current
        if not _is_out(current, work.montage_id):
            published = replace_montage(services, current, rendered)
        if published is None:
            continue
        # A match, a consent or a file may have gone between the plan and the write.
        if not holds(services, work) or not _has_files(services, rendered):
            return _overtaken(services, work, published)
        settle(services, published)
        log.info("montage.published", montage_id=work.montage_id, clips=len(rendered.plan.clips))
        return MontagePlanned(montage_id=work.montage_id, needed=True)
    raise TransientFault("montage_contended", "Others keep changing this montage; try again later.")


@activity
def abandon_montage(services: Services, work: MontageWork) -> None:
    """Note that a montage could not be made, after the last retry."""
    give_up(services, work, "render_failed" if work.montage_id else "plan_failed")


def _planned(
    services: Services, work: MontageWork, current: MontageDocument | None, material: Material
) -> MontagePlanned | None:
    """Decide over `current`; None when it has changed meanwhile."""
    if current is not None and is_held(current, work):
        return _still_held(services, work, current, material)
    best = best_plan(services, work, material)
    if best is None:
        done = withdraw(services, current)
        return MontagePlanned(montage_id="", needed=False, reason="no_material") if done else None
    if _is_out(current, best.montage_id):
        return _unchanged(services, current)
    plan = plan_of_what_is_there(services, work, material, best)
    stays = material.shows(current, style_of(services, material.look))
    if plan is None:
        missing = source_missing(current if stays else None, best)
        if missing is not None and not _announce(services, current, missing):
            return None
        return MontagePlanned(montage_id="", needed=False, reason="source_missing")
    if _is_out(current, plan.montage_id):
        return _unchanged(services, current)
    services.blobs.put_json(
        services.settings.container_results,
        naming.montage_plan_blob(work.fan_id, plan.montage_id),
        plan,
        overwrite=True,
    )
    # A montage that is out stays out meanwhile, unless it shows what is no longer a match.
    announced = updating(current, plan) if current is not None and stays else rendering(plan)
    is_announced = announced is current or _announce(services, current, announced)
    if not may_have_montages(services, work.fan_id):  # erased in between: round again takes back what is out
        delete_files(services, work.fan_id, plan.montage_id)
        return None
    return MontagePlanned(montage_id=plan.montage_id, needed=True) if is_announced else None


def _announce(services: Services, current: MontageDocument | None, document: MontageDocument) -> bool:
    announced = replace_montage(services, current, document)
    if announced is not None:
        settle(services, announced)
    return announced is not None


def _still_held(
    services: Services, work: MontageWork, current: MontageDocument, material: Material
) -> MontagePlanned | None:
    """Leave a cancelled montage alone, but let nothing stay out that the fan may not be shown in any more."""
    answer = MontagePlanned(montage_id=current.montage_id, needed=False, reason=CANCELLED)
    if not may_have_montages(services, work.fan_id):
        return answer if withdraw(services, current) else None
    if current.status == "cancelled" or material.shows(current, style_of(services, material.look)):
        settle(services, current)
        return answer
    return answer if _announce(services, current, withheld(current)) else None


def _is_out(current: MontageDocument | None, montage_id: str) -> bool:
    return current is not None and current.status == "ready" and current.montage_id == montage_id


def _unchanged(services: Services, current: MontageDocument | None) -> MontagePlanned | None:
    if current is None:
        return None
    # A reason here is that of an update that failed or was cancelled and is no longer wanted.
    fresh = current.model_copy(update={"reason": None, "pending_id": "", "progress": 1.0})
    if (current.reason is not None or current.pending_id) and not _announce(services, current, fresh):
        return None
    return MontagePlanned(montage_id=current.montage_id, needed=False, reason="unchanged")


def _overtaken(services: Services, work: MontageWork, current: MontageDocument | None) -> MontagePlanned:
    """Take the montage back wherever it has got to: the workflow plans again, and others may have before."""
    log.info("montage.overtaken", montage_id=work.montage_id)
    is_ours = current is not None and current.montage_id == work.montage_id
    if is_ours:
        withdraw(services, current)
    else:
        delete_files(services, work.fan_id, work.montage_id)
    return MontagePlanned(montage_id=work.montage_id, needed=False, reason=OVERTAKEN)


def _dropped(services: Services, work: MontageWork) -> RenderOutcome:
    """Delete what was made of a montage that nobody waits for; overtaken, the workflow plans again."""
    current = current_montage(services, work)
    log.info("montage.dropped", montage_id=work.montage_id)
    if not is_wanted(current, work) and not _is_out(current, work.montage_id):
        delete_files(services, work.fan_id, work.montage_id)
    if current is None or not is_held(current):
        return RenderOutcome(rendered=False, reason=OVERTAKEN)
    settle(services, current)
    return RenderOutcome(rendered=False, reason=CANCELLED)


def _has_files(services: Services, document: MontageDocument) -> bool:
    container = services.settings.container_montages
    return all(services.blobs.exists(container, name) for name in document.files.values())


def _render(services: Services, plan: MontagePlan, watch: RenderWatch) -> MontageDocument:
    settings = services.settings
    sources = {
        video_id: _source(services, video_id) for video_id in sorted({clip.video_id for clip in plan.clips})
    }
    work = MontageWork(fan_id=plan.fan_id, event_id=plan.event_id, montage_id=plan.montage_id)
    material = gather(services, work)
    plan, poster = network_captions(services, plan, material), choose_poster(plan, material.appearances)
    media = sources[plan.clips[poster.clip_index].video_id].media
    with scratch_folder("montage") as folder:
        rendered = render(
            plan,
            sources,
            folder,
            progress=watch.progress,
            stop=watch.is_unwanted,
            poster=poster,
            poster_picture=poster_picture(settings, plan, poster, material, media),
            music=_music(services, plan),
        )
        files: dict[str, str] = {}
        for kind, path in rendered.files.items():
            files[kind] = f"{naming.fan_prefix(plan.fan_id)}{plan.montage_id}.{kind}"
            services.blobs.upload_file(settings.container_montages, files[kind], path)
    return MontageDocument(
        id=naming.montage_document_id(plan.event_id),
        fan_id=plan.fan_id,
        event_id=plan.event_id,
        montage_id=plan.montage_id,
        status="ready",
        plan=plan,
        duration_ms=rendered.duration_ms,
        files=files,
        av_offset_ms=rendered.av_offset_ms,
        loudness_lufs=round(rendered.loudness.integrated, 2) if rendered.loudness else None,
        true_peak_dbtp=round(rendered.loudness.true_peak, 2) if rendered.loudness else None,
        progress=1.0,
    )


def _music(services: Services, plan: MontagePlan) -> Path | None:
    """Return the bed the plan's profile names; without its file there is none, and the film goes on."""
    if not plan.render.music_bed:
        return None
    try:
        return beside_profile(plan.profile, plan.render.music_bed, services.settings.profile_dir)
    except InputRejected as missing:
        log.warning("montage.no_music", montage_id=plan.montage_id, reason=missing.code)
        return None


def _source(services: Services, video_id: str) -> RenderSource:
    """Return a video as ffmpeg reads it. Raises InputRejected when the upload is gone or another one by now."""
    video = services.documents.get(VideoDocument, video_id, video_id)
    if video is None or not is_in_storage(services, video):
        raise InputRejected("source_missing", "The video has left storage or is another one.", video_id=video_id)
    url = services.blobs.download_url(
        services.settings.container_videos, video.blob_name, minutes=_RENDER_LINK_MINUTES
    )
    return RenderSource(url, load_plan(services, video_id).media)
