"""`report.html`: one page that needs nothing but itself and the montages beside it."""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

import cv2

from fanreel.contracts import AppearanceDocument, MatchDocument, VideoDocument

from .build import RunDocuments
from .charts import Bar, Line, clock, curve, timeline
from .model import FanReport, MontageReport, Report

POSTER_WIDTH = 480
"""Pixels; twice its width on the page, so that it is sharp on dense screens and the page stays light."""


def render_page(report: Report, run: RunDocuments, event: str) -> str:
    """Return the page. All names are escaped; posters are inside it; only montages are linked."""
    template = Template(files("fanreel.report").joinpath("page.html").read_text("utf-8"))
    videos = {video.video_id: video for video in run.videos}
    with_montage = sum(fan.montage is not None for fan in report.fans)
    summary = f"{len(report.videos)} broadcast(s), {len(report.fans)} fan(s), {with_montage} montage(s)"
    return template.substitute(
        event=escape(event),
        summary=escape(summary),
        fans="\n".join(_fan(fan, run, videos) for fan in report.fans) or '<p class="soft">No fans.</p>',
        videos="\n".join(_video(video, run) for video in run.videos) or '<p class="soft">None.</p>',
        timings="".join(_timing(name, value) for name, value in report.timings.items()),
    )


def _timing(name: str, value: float) -> str:
    unit = "× real time" if name.endswith("TimesRealTime") else "s"
    plain = re.sub(r"(Seconds|TimesRealTime)$", "", name).replace("stage.", "worker: ")
    return f"<div><dt>{escape(plain)}</dt><dd>{value:.2f} {unit}</dd></div>"


def _fan(fan: FanReport, run: RunDocuments, videos: Mapping[str, VideoDocument]) -> str:
    files_of_fan = run.files.get(fan.fan_id, {})
    poster = _poster(files_of_fan.get("jpg")) if fan.montage else ""
    href = quote(fan.montage.path) if fan.montage else ""
    picture = f'<a href="{escape(href)}">{poster}</a>' if poster else ""
    about = [f'<div class="head"><h3>{escape(fan.fan_id)}</h3>{_chip(fan.status)}</div>']
    if fan.reason:
        about.append(f'<p class="bad">{escape(fan.reason)}</p>')
    if fan.montage:
        about.append(_links(fan.montage))
    else:
        seen = any(each.decision == "review" for each in fan.appearances)
        about.append(f'<p class="soft">{"Only for review: no montage." if seen else "Not seen: no montage."}</p>')
    about += [_clips(fan, run, videos), _excitement(fan, run, videos)]
    plain = "" if picture else " plain"
    return f'<article class="fan{plain}">{picture}<div>{"".join(about)}</div></article>'


LINKS = {"mp4": "montage", "vertical.mp4": "upright", "webp": "preview", "vtt": "captions", "edl": "edit list"}


def _links(montage: MontageReport) -> str:
    links = [
        f'<a href="{escape(quote(montage.files[kind]))}">{name}</a>'
        for kind, name in LINKS.items()
        if kind in montage.files
    ]
    facts = [f"{montage.duration_ms / 1000:.1f} s"]
    if montage.loudness_lufs is not None:
        facts.append(f"{montage.loudness_lufs:.1f} LUFS")
    return f'<p>{" · ".join(links)} <span class="soft">{", ".join(facts)}</span></p>'


def _chip(status: str) -> str:
    return f'<span class="chip {escape(status)}">{escape(status.replace("_", " "))}</span>'


def _poster(path: Path | None) -> str:
    picture = cv2.imread(str(path)) if path and path.is_file() else None
    if picture is None:
        return ""
    scale = min(1.0, POSTER_WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    text = base64.b64encode(data.tobytes()).decode()
    return f'<img class="poster" alt="poster" src="data:image/jpeg;base64,{text}">'


def _clips(fan: FanReport, run: RunDocuments, videos: Mapping[str, VideoDocument]) -> str:
    montage = run.montages.get(fan.fan_id)
    if fan.montage is None or montage is None:
        return ""
    chances = {match.appearance_id: match.probability for match in run.matches.get(fan.fan_id, ())}
    rows = "".join(
        f'<tr><td class="number">{number}</td><td>{escape(_name(clip.video_id, videos))}</td>'
        f"<td>{clock(clip.start_ms)} – {clock(clip.end_ms)}</td>"
        f'<td class="number">{_percent(chances.get(clip.appearance_id))}</td>'
        f'<td>{escape(clip.caption)} <span class="soft">{escape(clip.reason)}</span></td></tr>'
        for number, clip in enumerate(montage.plan.clips, start=1)
    )
    head = '<tr><th class="number">clip</th><th>broadcast</th><th>time</th>'
    return f'<table>{head}<th class="number">probability</th><th>what and why</th></tr>{rows}</table>'


def _percent(probability: float | None) -> str:
    # Rounded down: a shown 100 % would claim a certainty that no measurement has.
    return "–" if probability is None else f"{int(min(probability, 0.999) * 1000) / 10:.1f} %"


def _name(video_id: str, videos: Mapping[str, VideoDocument]) -> str:
    return videos[video_id].name if video_id in videos else video_id


def _excitement(fan: FanReport, run: RunDocuments, videos: Mapping[str, VideoDocument]) -> str:
    """One curve per broadcast the fan is in: the crowd's, and the fan's own on top; clips as bands."""
    matches = run.matches.get(fan.fan_id, ())
    parts: list[str] = []
    for video_id in sorted({match.video_id for match in matches if match.decision == "match"}):
        video = videos.get(video_id)
        if video is None or not video.duration_ms:
            continue
        own = {
            match.appearance_id for match in matches if match.video_id == video_id and match.decision == "match"
        }
        lines = [Line([1000 * second for second in range(len(video.excitement))], video.excitement, "crowd")]
        lines += [
            Line(seen.pts_ms, seen.excitement_curve, "own")
            for seen in run.appearances.get(video_id, ())
            if seen.id in own and len(seen.excitement_curve) == len(seen.pts_ms)
        ]
        clips = fan.montage.clips if fan.montage else ()
        bands = [
            Bar(clip.start_ms, clip.end_ms, "band", f"clip {clock(clip.start_ms)} – {clock(clip.end_ms)}")
            for clip in clips
            if clip.video_id == video_id
        ]
        title = f'<p class="soft">excitement in {escape(video.name)} (fan over crowd; clips shaded)</p>'
        parts.append(title + curve(video.duration_ms, lines, bands))
    return "".join(parts)


def _video(video: VideoDocument, run: RunDocuments) -> str:
    counts = video.counts()
    head = f'<div class="head"><h3>{escape(video.name)}</h3>{_chip(video.status)}</div>'
    why = " – ".join(escape(text) for text in (video.reason, video.reason_detail) if text)
    facts = (
        f"{clock(video.duration_ms)} · {len(video.shots)} shots · {video.appearances} tracks"
        f" · {video.people} people · {counts.done}/{counts.total} segments"
    )
    text = f'<p class="soft">{escape(facts)}</p>' + (f'<p class="bad">{why}</p>' if why else "")
    if not video.duration_ms:
        return f"<article>{head}{text}</article>"
    matches = [match for each in run.matches.values() for match in each if match.video_id == video.video_id]
    tracks = _tracks(run.appearances.get(video.video_id, ()), matches)
    lines = timeline(video.duration_ms, _shots(video), tracks)
    return f"<article>{head}{text}{lines}{_highlights(video)}</article>"


def _highlights(video: VideoDocument) -> str:
    rows = "".join(
        f'<tr><td class="number">{one.rank}</td><td>{clock(one.start_ms)} – {clock(one.end_ms)}</td>'
        f'<td class="number">{one.score:.2f}</td><td>{escape("; ".join(one.reasons))}</td></tr>'
        for one in video.highlights
    )
    if not rows:
        return ""
    head = '<tr><th class="number">highlight</th><th>time</th><th class="number">score</th><th>why</th></tr>'
    return f"<table>{head}{rows}</table>"


def _shots(video: VideoDocument) -> list[Bar]:
    shots = [
        Bar(
            shot.start_ms,
            shot.end_ms,
            "shot odd" if number % 2 else "shot",
            f"shot {number + 1}: {clock(shot.start_ms)} – {clock(shot.end_ms)}",
        )
        for number, shot in enumerate(video.shots)
    ]
    return shots + [Bar(gap.start_ms, gap.end_ms, "gap", f"not analysed: {gap.reason}") for gap in video.gaps]


def _tracks(appearances: Sequence[AppearanceDocument], matches: Sequence[MatchDocument]) -> list[Bar]:
    # Decisions are sorted so that a match wins over someone else's review of the same appearance.
    decided = {
        match.appearance_id: match for match in sorted(matches, key=lambda each: each.decision, reverse=True)
    }
    bars: list[Bar] = []
    for seen in appearances:
        match = decided.get(seen.id)
        who = f"{match.fan_id} ({match.decision}, {_percent(match.probability)})" if match else "unknown"
        css = "track" if match is None else match.decision
        span = f"{clock(seen.start_ms)} – {clock(seen.end_ms)}"
        bars.append(Bar(seen.start_ms, seen.end_ms, css, f"{who}: {span}, {seen.supporting_faces} faces"))
    return bars
