"""Small videos made on the spot with ffmpeg."""

import subprocess
from pathlib import Path

from fanreel.adapters.media.ffmpeg import ffmpeg_binary

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=6")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
B_FRAMES = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "40", "-pix_fmt", "yuv420p")
OPEN_GOP = ("-x264-params", "open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=3")


def ffmpeg(*arguments: str | Path) -> bytes:
    """Run ffmpeg; return what it wrote to stdout."""
    command = [ffmpeg_binary(), "-v", "error", "-y", "-nostdin", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


RECIPES: dict[str, tuple[str, ...]] = {
    "b_frames.mp4": (*PICTURE, *B_FRAMES),
    "open_gop.mp4": (*PICTURE, *B_FRAMES, *OPEN_GOP),
    "open_gop.ts": (*PICTURE, *B_FRAMES, *OPEN_GOP),
    "transport.ts": (*PICTURE, *B_FRAMES),
    "cues.mkv": (*PICTURE, *B_FRAMES),
    "no_cues.mkv": (*PICTURE, *B_FRAMES, "-live", "1"),
    "old.avi": (*PICTURE, "-c:v", "mpeg4", "-bf", "2", "-g", "30"),
    "variable.mp4": (*PICTURE, "-vf", "select='lt(mod(n,7),5)'", "-fps_mode", "vfr", *B_FRAMES),
    "fragmented.mp4": (*PICTURE, *B_FRAMES, "-movflags", "frag_keyframe+empty_moov"),
}


def make(name: str, folder: Path) -> Path:
    """Make one of RECIPES, or `edit_list.mp4`: a copy that begins in the middle of a group of pictures."""
    path = folder / name
    if path.exists():
        return path
    if name == "edit_list.mp4":
        ffmpeg("-ss", "0.7", "-i", make("b_frames.mp4", folder), "-c", "copy", path)
    else:
        ffmpeg(*RECIPES[name], path)
    return path
