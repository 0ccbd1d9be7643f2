"""One run of the main job against a stack: upload, watch until everything has ended, fetch the results."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fanreel.adapters.services import Services
from fanreel.contracts import (
    TERMINAL_VIDEO_STATUSES,
    AppearanceDocument,
    FanDocument,
    MatchDocument,
    MontageDocument,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.errors import TransientFault
from fanreel.report import RunDocuments

from .api import Api
from .inputs import FanInput, Inputs

POLL_SECONDS = 0.5
STALL_SECONDS = 60 * 60.0
"""Longer than the flow takes to give up a hung segment (3 × 15 minutes), so that its own answer comes first."""
RETRY_SEEN_SECONDS = 60.0
"""Time the host gets to notice a failed video that was uploaded again."""
FANS_PER_POLL = 20
"""With many fans each poll asks about some, so that watching costs the host little."""
EMBED_AGAIN = frozenset({"consent_missing", "model_changed", "selfie_not_processed"})
"""Why a picture was not used although nothing is wrong with it: uploaded again, it is looked at again."""
FAULTS_BORNE = 60
"""Polls that may fail in a row (a host being restarted) before the run gives up."""


@dataclass(frozen=True, slots=True)
class State:
    """What the API said last. videos by video id, fans by fan id; missing while nothing is known."""

    videos: Mapping[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    fans: Mapping[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    rendering: frozenset[str] = frozenset()
    """Fans with a montage of this event that is still being rendered."""
    pictures: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """Etag in storage by fan id and file: an answer about an earlier picture of that name is none."""

    def video_done(self, video_id: str) -> bool:
        """Whether nothing more will happen to a video."""
        return self.videos.get(video_id, {}).get("status") in TERMINAL_VIDEO_STATUSES

    def fan_done(self, fan: FanInput) -> bool:
        """Whether all selfies of a fan are judged and everything found by them is published."""
        known = self.fans.get(fan.fan_id, {})
        judged = {(str(each["file"]), str(each["etag"])) for each in known.get("selfies", ())}
        given = {(name, self.pictures.get((fan.fan_id, name), "")) for name, _ in fan.selfies}
        enrolled = judged >= given and not known.get("searching", True)
        return enrolled and fan.fan_id not in self.rendering


class Job:
    """A run: `upload`, then `wait`, then `download`."""

    def __init__(self, inputs: Inputs, services: Services, api: Api) -> None:
        self.inputs = inputs
        self._services = services
        self._settings = services.settings
        self._api = api
        self.uploaded: set[str] = set()
        """Ids of the videos that this run brought in."""
        self._seen = State()
        self._pictures: dict[tuple[str, str], str] = {}
        self._next_fan = 0
        self._retried: dict[str, float] = {}
        """Videos uploaded again, and when: until the host has noticed, their old state means nothing."""

    def upload(self, tell: Callable[[str], None]) -> None:
        """Register fans (with consent), then upload selfies and broadcasts straight to storage.

        What is already there with the same content is left alone. Calls `tell` with one line per upload.
        """
        settings = self._settings
        for fan in self.inputs.fans:
            self._api.create_fan(fan.fan_id, [self.inputs.event])
            known = self._api.fan(fan.fan_id) or {}
            again = {each["file"] for each in known.get("selfies", ()) if each["reason"] in EMBED_AGAIN}
            for name, path in fan.selfies:
                blob = f"{fan.fan_id}/{name}"
                if name in again or not self._same_blob(settings.container_selfies, blob, path):
                    self._services.blobs.upload_file(settings.container_selfies, blob, path)
                self._pictures[fan.fan_id, name] = (
                    self._services.blobs.etag(settings.container_selfies, blob) or ""
                )
        tell(f"{len(self.inputs.fans)} fans, {sum(len(fan.selfies) for fan in self.inputs.fans)} selfies uploaded")
        for video in self.inputs.videos:
            known = self._api.video(video.video_id)
            if known is not None and known["status"] != "failed" and not self._says_otherwise(known):
                tell(f"{video.path}: already in this stack, not uploaded again")
                continue
            blob = f"{self.inputs.event}/{video.name}"
            self._services.blobs.upload_file(
                settings.container_videos, blob, video.path, metadata=self.inputs.metadata
            )
            if known is not None:
                self._retried[video.video_id] = time.monotonic()
            self.uploaded.add(video.video_id)
            tell(f"{video.path}: uploaded")

    def wait(self, show: Callable[[State], None], check: Callable[[], None]) -> State:
        """Poll until every video has ended, every fan is enrolled and searched, and no montage is being rendered.

        `show` gets every new state; `check` may raise when a part of the stack has died. Raises `TransientFault`
        (`run_stalled`) when nothing moves for an hour.
        """
        state, moved, faults = State(), time.monotonic(), 0
        while True:
            check()
            try:
                seen = self._look()
            except TransientFault:
                faults += 1
                if faults > FAULTS_BORNE:
                    raise
                time.sleep(POLL_SECONDS)
                continue
            faults = 0
            if seen != state:
                state, moved = seen, time.monotonic()
            show(state)
            if self._done(state):
                return state
            if time.monotonic() - moved > STALL_SECONDS:
                raise TransientFault("run_stalled", f"nothing has moved for {STALL_SECONDS / 60:.0f} minutes")
            time.sleep(POLL_SECONDS)

    def download(self, out: Path) -> RunDocuments:
        """Fetch the documents and every ready montage with what lies beside it, as `<out>/<fanId>.<kind>`.

        What an earlier run left under a fan's name goes first: who gets nothing now must not keep an old file.
        """
        out.mkdir(parents=True, exist_ok=True)
        documents = self._services.documents
        wanted = {video.video_id for video in self.inputs.videos}
        fans: list[FanDocument] = []
        matches: dict[str, tuple[MatchDocument, ...]] = {}
        montages: dict[str, MontageDocument] = {}
        files: dict[str, dict[str, Path]] = {}
        for fan in self.inputs.fans:
            found = documents.get(FanDocument, fan.fan_id, fan.fan_id)
            if found is not None:
                fans.append(found)
            own = documents.query(MatchDocument, "", {}, partition=fan.fan_id)
            matches[fan.fan_id] = tuple(match for match in own if match.video_id in wanted)
            montage = documents.get(MontageDocument, naming.montage_document_id(self.inputs.event), fan.fan_id)
            _forget_files(out, fan.fan_id)
            if montage is not None and montage.status == "ready":
                montages[fan.fan_id] = montage
                files[fan.fan_id] = self._fetch(montage, out)
        videos = [documents.get(VideoDocument, video.video_id, video.video_id) for video in self.inputs.videos]
        return RunDocuments(
            videos=[video for video in videos if video is not None],
            fans=fans,
            matches=matches,
            montages=montages,
            appearances={
                video_id: tuple(documents.query(AppearanceDocument, "", {}, partition=video_id))
                for video_id in sorted(wanted)
            },
            files=files,
        )

    def failed_montages(self) -> dict[str, str]:
        """Fans whose montage could not be made, or not brought up to date, with the reason."""
        found: dict[str, str] = {}
        for fan in self.inputs.fans:
            for montage in self._api.montages(fan.fan_id):
                is_bad = montage["status"] == "failed" or montage.get("reason") is not None
                if is_bad and montage["eventId"] == self.inputs.event:
                    found[fan.fan_id] = str(montage.get("reason") or "unknown")
        return found

    def _look(self) -> State:
        """Ask about what has not ended yet; what has stays as it was seen last."""
        videos, fans = dict(self._seen.videos), dict(self._seen.fans)
        for video in self.inputs.videos:
            if not self._seen.video_done(video.video_id):
                videos |= _known(video.video_id, self._video(video.video_id))
        waiting = [fan for fan in self.inputs.fans if not self._seen.fan_done(fan)]
        first = self._next_fan % max(1, len(waiting))
        for fan in [*waiting[first:], *waiting[:first]][:FANS_PER_POLL]:
            fans |= _known(fan.fan_id, self._api.fan(fan.fan_id))
        self._next_fan = first + FANS_PER_POLL
        state = self._seen = State(videos, fans, pictures=self._pictures)
        if self._done(state):
            # Asked last, when it is the only thing that may be left: one request per fan.
            state = replace(state, rendering=self.rendering())
        return state

    def rendering(self) -> frozenset[str]:
        """Fans with a montage of this event that is still being rendered."""
        return frozenset(
            fan.fan_id
            for fan in self.inputs.fans
            if any(
                montage["status"] == "rendering" and montage["eventId"] == self.inputs.event
                for montage in self._api.montages(fan.fan_id)
            )
        )

    def _video(self, video_id: str) -> dict[str, Any] | None:
        video = self._api.video(video_id)
        uploaded = self._retried.get(video_id)
        if video is None or uploaded is None:
            return video
        old = video["status"] in ("failed", "rejected") or self._says_otherwise(video)
        if old and time.monotonic() - uploaded < RETRY_SEEN_SECONDS:
            return None
        del self._retried[video_id]
        return video

    def _done(self, state: State) -> bool:
        return all(state.video_done(video.video_id) for video in self.inputs.videos) and all(
            state.fan_done(fan) for fan in self.inputs.fans
        )

    def _says_otherwise(self, known: Mapping[str, Any]) -> bool:
        """Say whether this run wants another profile or title for a video than it has."""
        wanted = self.inputs.metadata
        return any(str(known.get(key, "")) != value for key, value in wanted.items())

    def _same_blob(self, container: str, blob: str, path: Path) -> bool:
        if not self._services.blobs.exists(container, blob):
            return False
        return self._services.blobs.client(container, blob).download_blob().readall() == path.read_bytes()

    def _fetch(self, montage: MontageDocument, out: Path) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for kind, blob in sorted(montage.files.items()):
            target = out / f"{montage.fan_id}.{kind}"
            partial = target.with_name(f".{target.name}.part")
            stored = self._services.blobs.client(self._settings.container_montages, blob).download_blob()
            with partial.open("wb") as file:
                stored.readinto(file)
            partial.replace(target)
            files[kind] = target
        return files


def _known(key: str, value: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    return {} if value is None else {key: value}


def _forget_files(out: Path, fan_id: str) -> None:
    for kind in ("mp4", "vertical.mp4", "webp", "jpg", "edl", "otio", "vtt", "srt"):
        (out / f"{fan_id}.{kind}").unlink(missing_ok=True)
