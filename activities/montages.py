"""A fan's montage: plan, render, publish (DESIGN §2, steps 10 to 12).

Files are content-addressed by the plan's id and the fan's document changes only in `publish_montage`, under its
etag and only for the plan that is still the right one: whatever races or repeats, nothing older overtakes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fanreel.adapters.media.render import render_montage as render
from fanreel.adapters.media.render_graph import RenderSource
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    FanDocument,
    MatchDocument,
    MontageDocument,
    MontagePlan,
    MontagePlanned,
    MontageWork,
    RenderOutcome,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.domain.montage import MontageStyle, choose_poster
from fanreel.domain.montage import plan_montage as plan_clips
from fanreel.errors import ContractBroken, InputRejected

from .base import activity, log
from .videos import load_plan

# ffmpeg reads the source through the link for as long as a render takes.
_RENDER_LINK_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Material:
    """What a montage can be made of; `appearances` are all of the shots in which the fan is seen."""

    matches: tuple[MatchDocument, ...]
    appearances: Mapping[str, AppearanceDocument]
    videos: Mapping[str, VideoDocument]


@activity
def plan_montage(services: Services, work: MontageWork) -> MontagePlanned:
    """Choose the moments; nothing to do when there are none or the same plan is already out."""
    material = _material(services, work)
    plan = _plan(services, work, material)
    current = _current(services, work)
    if plan is None:
        _withdraw(services, current)
        return MontagePlanned(montage_id="", needed=False, reason="no_material")
    if current is not None and current.status == "ready" and current.montage_id == plan.montage_id:
        return MontagePlanned(montage_id=plan.montage_id, needed=False, reason="unchanged")
    services.blobs.put_json(
        services.settings.container_results,
        naming.montage_plan_blob(work.fan_id, plan.montage_id),
        plan,
        overwrite=True,
    )
    _announce(services, plan, current, {match.appearance_id for match in material.matches})
    return MontagePlanned(montage_id=plan.montage_id, needed=True)


@activity
def render_montage(services: Services, work: MontageWork) -> RenderOutcome:
    """Cut, mix and encode the planned montage and store its files; done already, it is not done again."""
    container = services.settings.container_results
    plan_blob = naming.montage_plan_blob(work.fan_id, work.montage_id)
    plan = services.blobs.require_json(container, plan_blob, MontagePlan)
    rendered = services.blobs.get_json(container, _rendered_blob(work), MontageDocument)
    if rendered is not None and all(
        services.blobs.exists(services.settings.container_montages, name) for name in rendered.files.values()
    ):
        return RenderOutcome(rendered=True)
    try:
        document = _render(services, plan)
    except InputRejected as rejected:
        log.warning("montage.rejected", montage_id=work.montage_id, reason=rejected.code)
        _give_up(services, work, rejected.code)
        return RenderOutcome(rendered=False, reason=rejected.code)
    services.blobs.put_json(container, _rendered_blob(work), document, overwrite=True)
    return RenderOutcome(rendered=True)


@activity
def publish_montage(services: Services, work: MontageWork) -> MontagePlanned:
    """Put the rendered montage out, if it is still what would be planned now; `needed` says that it is out.

    Otherwise its files are removed: whoever changed the matches has set off a newer montage.
    """
    container = services.settings.container_results
    rendered = services.blobs.require_json(container, _rendered_blob(work), MontageDocument)
    plan = _plan(services, work, _material(services, work))
    if plan is None or plan.montage_id != work.montage_id:
        current = _current(services, work)
        if current is None or current.montage_id != work.montage_id:
            _delete_files(services, rendered)
        log.info("montage.overtaken", montage_id=work.montage_id)
        return MontagePlanned(montage_id=work.montage_id, needed=False, reason="overtaken")
    replaced = _put_out(services, rendered)
    if _is_erased(services, work.fan_id):  # erased between the plan and the write
        _withdraw(services, _current(services, work))
        return MontagePlanned(montage_id=work.montage_id, needed=False, reason="fan_erased")
    if replaced is not None and replaced.montage_id != work.montage_id:
        _delete_files(services, replaced)
    log.info("montage.published", montage_id=work.montage_id, clips=len(plan.clips))
    return MontagePlanned(montage_id=work.montage_id, needed=True)


@activity
def abandon_montage(services: Services, work: MontageWork) -> None:
    """Note that a montage could not be made, after the last retry."""
    _give_up(services, work, "render_failed")


def _material(services: Services, work: MontageWork) -> Material:
    documents = services.documents
    matches = tuple(
        documents.query(
            MatchDocument,
            "c.eventId = @event AND c.decision = 'match'",
            {"@event": work.event_id},
            partition=work.fan_id,
        )
    )
    by_video: dict[str, list[str]] = {}
    for match in matches:
        by_video.setdefault(match.video_id, []).append(match.appearance_id)
    appearances: dict[str, AppearanceDocument] = {}
    videos: dict[str, VideoDocument] = {}
    for video_id, ids in by_video.items():
        found = documents.get(VideoDocument, video_id, video_id)
        if found is not None:
            videos[video_id] = found
        for appearance in _seen_around(services, video_id, ids):
            appearances[appearance.id] = appearance
    return Material(matches, appearances, videos)


def _seen_around(services: Services, video_id: str, ids: list[str]) -> Iterable[AppearanceDocument]:
    """Return all appearances of the shots that hold the given ones: a clip must not run into a stranger."""
    documents = services.documents
    holding = documents.select(
        AppearanceDocument, ["shotIndex"], "ARRAY_CONTAINS(@ids, c.id)", {"@ids": ids}, partition=video_id
    )
    shots = sorted({row["shotIndex"] for row in holding})
    return documents.query(
        AppearanceDocument, "ARRAY_CONTAINS(@shots, c.shotIndex)", {"@shots": shots}, partition=video_id
    )


def _plan(services: Services, work: MontageWork, material: Material) -> MontagePlan | None:
    settings = services.settings
    if _is_erased(services, work.fan_id):
        return None
    style = MontageStyle.sized(
        settings.montage_height, min_ms=settings.montage_min_ms, max_ms=settings.montage_max_ms
    )
    return plan_clips(work.fan_id, work.event_id, material.matches, material.appearances, material.videos, style)


def _render(services: Services, plan: MontagePlan) -> MontageDocument:
    settings = services.settings
    sources = {
        video_id: _source(services, video_id) for video_id in sorted({clip.video_id for clip in plan.clips})
    }
    work = MontageWork(fan_id=plan.fan_id, event_id=plan.event_id, montage_id=plan.montage_id)
    poster = choose_poster(plan, _material(services, work).appearances)
    with TemporaryDirectory(prefix="fanreel-montage-") as directory:
        rendered = render(plan, sources, Path(directory), poster=poster)
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
    )


def _source(services: Services, video_id: str) -> RenderSource:
    """Return a video as ffmpeg reads it. Raises InputRejected when the upload is gone or another one by now."""
    settings = services.settings
    video = services.documents.get(VideoDocument, video_id, video_id)
    if video is None:
        raise ContractBroken("video_missing", "There is no videos document.", video_id=video_id)
    etag = services.blobs.etag(settings.container_videos, video.blob_name)
    if etag is None:
        raise InputRejected("source_missing", "The video is no longer in storage.", video_id=video_id)
    if etag != video.blob_etag.strip('"'):
        raise InputRejected("source_changed", "The video was overwritten by another one.", video_id=video_id)
    url = services.blobs.download_url(settings.container_videos, video.blob_name, minutes=_RENDER_LINK_MINUTES)
    return RenderSource(url, load_plan(services, video_id).media)


def _current(services: Services, work: MontageWork) -> MontageDocument | None:
    return services.documents.get(MontageDocument, naming.montage_document_id(work.event_id), work.fan_id)


def _announce(services: Services, plan: MontagePlan, current: MontageDocument | None, matched: set[str]) -> None:
    """Say `rendering`. A montage that is out stays out meanwhile, unless it shows what is no longer a match."""
    if current is None:
        services.documents.create(_rendering(plan, version=0))
        return

    def announced(document: MontageDocument) -> MontageDocument | None:
        still_right = document.status == "ready" and all(
            clip.appearance_id in matched for clip in document.plan.clips
        )
        return None if still_right else _rendering(plan, version=document.version, old=document)

    services.documents.update(MontageDocument, current.id, plan.fan_id, announced)


def _rendering(plan: MontagePlan, *, version: int, old: MontageDocument | None = None) -> MontageDocument:
    return MontageDocument(
        id=naming.montage_document_id(plan.event_id),
        created_at=old.created_at if old else None,
        fan_id=plan.fan_id,
        event_id=plan.event_id,
        montage_id=plan.montage_id,
        status="rendering",
        plan=plan,
        duration_ms=plan.duration_ms,
        version=version,
    )


def _put_out(services: Services, rendered: MontageDocument) -> MontageDocument | None:
    """Write the montage under the etag of what is there; returns what it replaced."""
    replaced: list[MontageDocument] = []

    def published(document: MontageDocument) -> MontageDocument | None:
        replaced[:] = [document]
        if document.status == "ready" and document.montage_id == rendered.montage_id:
            return None
        return rendered.model_copy(update={"version": document.version + 1, "created_at": document.created_at})

    known = services.documents.update(MontageDocument, rendered.id, rendered.fan_id, published)
    if known is None and services.documents.create(rendered.model_copy(update={"version": 1})) is None:
        return _put_out(services, rendered)  # somebody created it in between
    return replaced[0] if replaced else None


def _give_up(services: Services, work: MontageWork, reason: str) -> None:
    def failed(document: MontageDocument) -> MontageDocument | None:
        if document.montage_id != work.montage_id or document.status == "ready":
            return None
        return document.model_copy(update={"status": "failed", "reason": reason})

    services.documents.update(MontageDocument, naming.montage_document_id(work.event_id), work.fan_id, failed)


def _withdraw(services: Services, current: MontageDocument | None) -> None:
    """Take a montage back: nothing in it is (known to be) of this fan any more."""
    if current is None:
        return
    services.documents.delete(MontageDocument, current.id, current.fan_id)
    _delete_files(services, current)
    log.info("montage.withdrawn", montage_id=current.montage_id)


def _delete_files(services: Services, document: MontageDocument) -> None:
    for name in document.files.values():
        services.blobs.delete(services.settings.container_montages, name)
    work = MontageWork(fan_id=document.fan_id, event_id=document.event_id, montage_id=document.montage_id)
    services.blobs.delete(services.settings.container_results, _rendered_blob(work))


def _rendered_blob(work: MontageWork) -> str:
    return f"{naming.montage_plan_blob(work.fan_id, work.montage_id)}.rendered"


def _is_erased(services: Services, fan_id: str) -> bool:
    fan = services.documents.get(FanDocument, fan_id, fan_id)
    return fan is None or fan.status == "erased"
