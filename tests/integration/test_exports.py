"""What `fanreel export` and the API give of what is stored (real Azurite, Cosmos emulator and ffmpeg)."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import azure.functions as func
import opentimelineio as otio
import pytest
import typer
from typer.testing import CliRunner, Result

from fanreel.adapters.exports.stored import find_video, montage_files
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.adapters.services import Services
from fanreel.commands.export import (
    Format,
    clip_plan,
    clip_style,
    export,
    export_clips,
    export_highlights,
    export_montage,
)
from fanreel.contracts import (
    FanDocument,
    FocusPoint,
    Highlight,
    MontageClip,
    MontageDocument,
    MontagePlan,
    SegmentPlanDocument,
    SoundEvent,
    SoundSpan,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.errors import InputRejected
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.api import fan_montages
from functions.highlights import answer_highlights
from functions.views import video_details_view, video_view

from .flow_services import services_on
from .montage_sources import H264, flashes_s, make, picture, sound

pytestmark = pytest.mark.integration

NTSC = Fraction(30_000, 1_001)
NAME = "cup/Final, 1st half.mp4"
HIGHLIGHTS = (
    Highlight(rank=1, start_ms=6_500, end_ms=8_000, peak_ms=7_000, score=0.9, reasons=("the crowd roars",)),
    Highlight(rank=2, start_ms=500, end_ms=2_000, peak_ms=1_000, score=0.5, reasons=("a replay",), unusual=True),
)


@pytest.fixture(scope="module")
def services(azurite: Azurite, cosmos: CosmosEmulator, tmp_path_factory) -> Iterator[Services]:
    """An analysed video with highlights, a fan with a montage of it, and others with less."""
    film = make(tmp_path_factory.mktemp("film") / "film.mp4", *picture(rate="30000/1001"), *sound(), *H264)
    with services_on(azurite, cosmos, montage_height=240) as connected:
        settings = connected.settings
        connected.blobs.upload_file(settings.container_videos, NAME, film)
        add_video(connected, "v-1", NAME, highlights=HIGHLIGHTS)
        plan = SegmentPlanDocument(video_id="v-1", media=probe(FileSource(film)), segments=())
        connected.blobs.put_json(settings.container_results, naming.plan_blob("v-1"), plan)
        add_video(connected, "v-2", "cup/new.mp4")
        add_video(connected, "v-3", "cup/new.mp4", highlights=HIGHLIGHTS)
        for name in ("zelda-77", "bob", "eve"):
            connected.documents.create(FanDocument(id=name, fan_id=name, event_ids=("cup",), status="ready"))
        add_montage(connected, "zelda-77", "ready")
        add_montage(connected, "eve", "failed", reason="render_failed")
        yield connected


def add_video(services: Services, video_id: str, name: str, *, highlights: tuple[Highlight, ...] = ()) -> None:
    services.documents.create(
        VideoDocument(
            id=video_id,
            video_id=video_id,
            event_id="cup",
            name=name,
            blob_name=name,
            blob_etag=services.blobs.etag(services.settings.container_videos, name) or "",
            instance_id="i",
            status="ready",
            duration_ms=12_000,
            highlights=highlights,
            crowd=(0.12345, 1.0),
            sounds=(SoundEvent(kind="cheer", instances=(SoundSpan(start_ms=0, end_ms=2_000, confidence=0.8),)),),
        )
    )


def add_montage(services: Services, fan_id: str, status, reason: str | None = None) -> None:
    clips = tuple(
        MontageClip(
            video_id="v-1",
            start_ms=start,
            end_ms=start + 2_000,
            score=0.5,
            reason="excitement",
            appearance_id="a",
            caption=caption,
            focus=(FocusPoint(pts_ms=start, box=(1, 2, 3, 4)),),
        )
        for start, caption in ((500, "A woman in a red shirt cheers"), (6_000, ""))
    )
    plan = MontagePlan(
        montage_id="m-1",
        fan_id=fan_id,
        event_id="cup",
        clips=clips,
        duration_ms=3_800,
        crossfade_ms=200,
        width=320,
        height=180,
    )
    services.documents.create(
        MontageDocument(
            id=naming.montage_document_id("cup"),
            fan_id=fan_id,
            event_id="cup",
            montage_id="m-1",
            status=status,
            reason=reason,
            plan=plan,
            files={kind: f"{fan_id}/m-1.{kind}" for kind in ("mp4", "edl", "otio", "vtt", "srt")},
            duration_ms=3_800,
        )
    )


@pytest.fixture
def command(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `fanreel export` with settings that point at the services."""
    monkeypatch.setattr("fanreel.commands.export.get_settings", lambda: services.settings)
    app = typer.Typer()
    app.command()(export)
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def test_the_command_writes_every_file_of_a_montage(command, tmp_path: Path) -> None:
    done = command("--event", "cup", "--fan", "zelda-77", "--out", tmp_path / "deep", "--non-drop")
    assert done.exit_code == 0, done.stderr
    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "deep").iterdir()}
    assert sorted(written) == ["zelda-77.edl", "zelda-77.json", "zelda-77.otio", "zelda-77.srt", "zelda-77.vtt"]
    assert sorted(done.stdout.split()) == sorted(str(path) for path in (tmp_path / "deep").iterdir())
    assert "FCM: NON-DROP FRAME" in written["zelda-77.edl"]
    assert "* FROM CLIP NAME:  Final, 1st half.mp4\n" in written["zelda-77.edl"]
    edit = otio.adapters.read_from_string(written["zelda-77.edl"], "cmx_3600", rate=float(NTSC))
    starts = [clip.source_range.start_time.to_frames() for clip in edit.tracks[0].find_clips()]
    assert starts == [round(ms * NTSC / 1000) for ms in (500, 6_000)]
    assert "A woman in a red shirt cheers\n" in written["zelda-77.srt"]
    assert "A woman in a red shirt cheers\n" in written["zelda-77.vtt"]
    told = json.loads(written["zelda-77.json"])
    assert [(one["fileName"], one["filmStartMs"]) for one in told["clips"]] == [
        ("Final, 1st half.mp4", 0),
        ("Final, 1st half.mp4", 1_802),
    ]
    assert "zelda-77" not in "".join(written.values())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--event", "cup", "--fan", "nobody"), "unknown_fan"),
        (("--event", "elsewhere", "--fan", "bob"), "unknown_event"),
        (("--event", "cup", "--fan", "bob"), "no_montage"),
        (("--event", "cup", "--fan", "eve"), "montage_not_ready"),
    ],
)
def test_what_cannot_be_exported_is_told_by_a_code(
    services: Services, arguments: tuple[str, ...], code: str
) -> None:
    _, event, _, fan = arguments
    with pytest.raises(InputRejected) as refused:
        montage_files(services, fan, event, ("edl",))
    assert refused.value.code == code


def test_a_format_there_is_not_is_told(services: Services, tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="bad_format"):
        export_montage(services, "zelda-77", "cup", Format.CSV, tmp_path, drop_frame=None)
    with pytest.raises(InputRejected, match="bad_format"):
        export_highlights(services, find_video(services, "v-1"), Format.SRT, tmp_path, drop_frame=None)
    assert not list(tmp_path.iterdir())


def test_a_video_is_found_by_id_or_name(services: Services) -> None:
    assert find_video(services, "v-1").video_id == find_video(services, NAME).video_id == "v-1"
    with pytest.raises(InputRejected, match="unknown_video"):
        find_video(services, "cup/none.mp4")
    with pytest.raises(InputRejected, match="ambiguous_video"):
        find_video(services, "cup/new.mp4")


def test_a_wrong_call_and_a_wrong_video_are_one_line(command, tmp_path: Path) -> None:
    done = command("--video", "cup/none.mp4", "--highlights", "--out", tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.strip().endswith("(unknown_video)")
    done = command("--video", "v-1", "--out", tmp_path)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_highlights_are_lists_in_the_order_of_play_and_tables_by_rank(services: Services, tmp_path: Path) -> None:
    paths = export_highlights(services, find_video(services, "v-1"), Format.ALL, tmp_path, drop_frame=None)
    files = {path.suffix: path.read_text("utf-8") for path in paths}
    assert {path.stem for path in paths} == {"Final-1st-half-highlights"}
    edit = otio.adapters.read_from_string(files[".edl"], "cmx_3600", rate=float(NTSC))
    starts = [clip.source_range.start_time.to_frames() for clip in edit.tracks[0].find_clips()]
    assert starts == [round(ms * NTSC / 1000) for ms in (500, 6_500)]
    assert [row["reasons"] for row in csv.DictReader(io.StringIO(files[".csv"]))] == [
        "the crowd roars",
        "a replay",
    ]


def test_without_highlights_or_an_analysis_there_is_nothing_to_write(services: Services, tmp_path: Path) -> None:
    for video_id, code in (("v-2", "no_highlights"), ("v-3", "not_analysed")):
        for write in (
            lambda video: export_highlights(services, video, Format.EDL, tmp_path, drop_frame=None),
            lambda video: export_clips(services, video, tmp_path),
        ):
            with pytest.raises(InputRejected) as refused:
                write(find_video(services, video_id))
            assert refused.value.code == code
    assert not list(tmp_path.iterdir())


def test_clips_are_the_highlights_of_the_broadcast_itself(services: Services, tmp_path: Path) -> None:
    paths = export_clips(services, find_video(services, "v-1"), tmp_path)
    assert [path.name for path in paths] == ["Final-1st-half-01.mp4", "Final-1st-half-02.mp4"]
    assert sorted(tmp_path.iterdir()) == paths, "nothing else is left"
    for path, highlight in zip(paths, HIGHLIGHTS, strict=True):
        media = probe(FileSource(path))
        assert (media.width, media.height) == (426, 240)
        assert media.duration_ms == pytest.approx(1_500, abs=35)
        # A flash was planted at 1 s and at 7 s of the broadcast: the peaks.
        assert flashes_s(path) == [pytest.approx((highlight.peak_ms - highlight.start_ms) / 1000, abs=0.06)]


def test_each_clip_has_a_link_of_its_own(services: Services, tmp_path: Path, monkeypatch) -> None:
    links: list[str] = []
    give = services.blobs.download_url

    def counted(container: str, name: str, *, minutes: int) -> str:
        links.append(name)
        assert len(list(tmp_path.glob("*.mp4"))) == len(links) - 1, "taken before it was needed"
        return give(container, name, minutes=minutes)

    monkeypatch.setattr(services.blobs, "download_url", counted)
    export_clips(services, find_video(services, "v-1"), tmp_path)
    assert links == [NAME, NAME]


def test_a_clip_looks_as_its_videos_profile_says_but_has_no_cards(services: Services, tmp_path: Path) -> None:
    own = (
        'description = "x"\n[montage]\nend_text = "Bye"\ndenoise = false\nformats = ["9:16"]\n'
        'music_bed = "m.mp3"\nlower_third = "caption"'
    )
    (tmp_path / "own.toml").write_text(own)
    settings = services.settings.model_copy(update={"profile_dir": tmp_path})
    video = find_video(services, "v-1").model_copy(update={"profile": "own"})
    style = clip_style(video, settings)
    assert (style.denoise, style.lower_third) == (False, "caption")
    assert (style.formats, style.intro_ms, style.outro_ms, style.music_bed) == (("16:9",), 0, 0, "")
    plan = clip_plan(video, HIGHLIGHTS[0], 12_000, 240, style)
    assert (plan.render, plan.profile, plan.duration_ms) == (style, "own", 1_500)


def test_clips_of_a_video_that_has_been_replaced_are_refused(services: Services, tmp_path: Path) -> None:
    video = find_video(services, "v-1").model_copy(update={"blob_name": "cup/gone.mp4"})
    with pytest.raises(InputRejected, match="source_missing"):
        export_clips(services, video, tmp_path)


# --- the API ---------------------------------------------------------------------------------------------


def get(services: Services, video_id: str, **params: str) -> func.HttpResponse:
    url = f"http://host/api/videos/{video_id}/highlights?code=secret"
    return answer_highlights(
        services,
        func.HttpRequest("GET", url, params=params, route_params={"videoId": video_id}, body=b""),
    )


def test_the_api_answers_ranked_highlights_with_links_that_work(services: Services) -> None:
    body = json.loads(get(services, "v-1").get_body())
    assert [one["rank"] for one in body["highlights"]] == [1, 2]
    assert body["highlights"][1]["unusual"] is True
    assert sorted(body["links"]) == ["csv", "edl", "json", "otio", "vtt"]
    assert "secret" not in json.dumps(body)
    for kind, link in body["links"].items():
        assert link == f"http://host/api/videos/v-1/highlights?format={kind}"
        response = get(services, "v-1", format=kind)
        assert response.status_code == 200
        assert response.headers["Content-Disposition"].endswith(f'"Final-1st-half-highlights.{kind}"')
    edl = get(services, "v-1", format="edl")
    assert edl.mimetype == "text/plain"
    assert "FCM: DROP FRAME" in edl.get_body().decode()
    assert "FCM: NON-DROP FRAME" in get(services, "v-1", format="edl", dropFrame="false").get_body().decode()


@pytest.mark.parametrize(
    ("video_id", "params", "status", "code"),
    [
        ("no good", {}, 400, "bad_id"),
        ("v-9", {}, 404, "not_found"),
        ("v-1", {"format": "avi"}, 400, "bad_format"),
        ("v-1", {"format": "edl", "dropFrame": "maybe"}, 400, "bad_drop_frame"),
        ("v-2", {"format": "edl"}, 404, "no_highlights"),
    ],
)
def test_the_api_says_why_there_is_no_file(services: Services, video_id, params, status, code) -> None:
    response = get(services, video_id, **params)
    assert (response.status_code, json.loads(response.get_body())["code"]) == (status, code)


def test_a_video_without_highlights_is_no_error_and_has_no_links(services: Services) -> None:
    body = json.loads(get(services, "v-2").get_body())
    assert (body["highlights"], body["links"]) == ([], {})


def test_a_video_tells_its_profile_and_what_is_heard(services: Services) -> None:
    view = video_details_view(find_video(services, "v-1"))
    assert (view["profile"], view["highlights"]) == ("default", 2)
    assert view["crowd"] == [0.123, 1.0]
    assert view["sounds"] == [{"kind": "cheer", "instances": [{"startMs": 0, "endMs": 2_000, "confidence": 0.8}]}]
    assert not {"crowd", "sounds"} & set(video_view(find_video(services, "v-1"))), "lists of videos stay small"


def test_a_montage_has_a_link_to_each_kind_of_file_and_says_why_its_clips_are_in(services: Services) -> None:
    listed: Any = fan_montages(services, "zelda-77")["montages"]
    (montage,) = listed
    assert sorted(montage["links"]) == ["edl", "mp4", "otio", "srt", "vtt"]
    for kind, link in montage["links"].items():
        assert f"/zelda-77/m-1.{kind}?" in link
        assert f"cup-m-1.{kind}" in unquote(link)
    clip = montage["clips"][0]
    assert (clip["reason"], clip["caption"]) == ("excitement", "A woman in a red shirt cheers")
    assert "focus" not in clip
