"""The one frozen settings object: every tunable of the running system, with its unit, bounds and reason.

Values come from the environment (prefix `FANREEL_`), so the same names work in the Functions app, in the
worker's container and on a developer's machine. Policy numbers that belong to an algorithm live beside it
in `fanreel.domain`; here is what an operator may change without touching code.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

# Beside the code, wherever the process was started: the Functions host does not start in this folder.
LOCAL_STATE = Path(__file__).resolve().parents[1] / ".fanreel"


class Settings(BaseSettings):
    """Read once per process through `get_settings`."""

    model_config = SettingsConfigDict(env_prefix="FANREEL_", frozen=True, extra="ignore", populate_by_name=True)

    # --- storage -------------------------------------------------------------------------------------
    storage_connection: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("FANREEL_STORAGE_CONNECTION", "AzureWebJobsStorage"),
        description="Storage connection string; local emulator only. In Azure it stays empty.",
    )
    storage_account: str | None = Field(
        default=None,
        validation_alias=AliasChoices("FANREEL_STORAGE_ACCOUNT", "AzureWebJobsStorage__accountName"),
        description="Storage account reached with the managed identity when there is no connection string.",
    )
    managed_identity_client_id: str | None = Field(
        default=None,
        validation_alias=AliasChoices("FANREEL_MANAGED_IDENTITY_CLIENT_ID", "AzureWebJobsStorage__clientId"),
        description="Client id of the user-assigned identity; empty for the system-assigned one.",
    )
    blob_source: Literal["eventgrid", "polling"] = Field(
        default="eventgrid",
        description="How blob triggers learn of uploads: Event Grid in Azure, polling locally.",
    )
    container_videos: str = Field(
        default="videos", description="Blob container of uploaded broadcasts: <event>/<name>."
    )
    container_selfies: str = Field(default="selfies", description="Blob container of selfies: <fanId>/<file>.")
    container_results: str = Field(default="results", description="Blob container of raw analysis results.")
    container_montages: str = Field(default="montages", description="Blob container of finished montages.")
    queue_segments: str = Field(default="segments", description="Queue of segment jobs for the GPU pool.")
    queue_segment_results: str = Field(default="segment-results", description="Queue on which workers report.")
    download_minutes: int = Field(default=15, ge=1, le=60, description="Life of a download link, minutes.")

    # --- Cosmos DB -----------------------------------------------------------------------------------
    cosmos_endpoint: str = Field(default="", description="Cosmos DB account endpoint.")
    cosmos_key: SecretStr | None = Field(default=None, description="Account key; local emulator only.")
    cosmos_database: str = Field(default="fanreel", description="Database name.")

    # --- models --------------------------------------------------------------------------------------
    model_dir: Path = Field(default=LOCAL_STATE / "models", description="Where built and pulled networks lie.")
    model_mirror: str | None = Field(
        default=None, description="Directory or URL prefix that stands in for the models' official homes."
    )
    model_pack: Literal["baseline", "pro"] = Field(default="baseline", description="Which catalogue pack is used.")
    execution_provider: Literal["cpu", "cuda"] = Field(
        default="cpu", description="onnxruntime provider. `cuda` without a CUDA device is a start-up failure."
    )
    inference_threads: int = Field(default=0, ge=0, le=64, description="Looks taken at once; 0 = one per core.")
    half_precision: bool = Field(
        default=False, description="On CUDA, run networks in 16 bit where their outputs stay within tolerance."
    )
    node_modules: Path = Field(
        default=Path("node_modules"), description="npm packages the baseline pack is built from."
    )
    detector_long_side_px: int = Field(
        default=1280, ge=320, le=4096, description="Frames are shrunk to this long side before YuNet looks."
    )
    yunet_min_score: float = Field(default=0.6, gt=0, lt=1, description="Least YuNet confidence of a face.")
    ssd_min_score: float = Field(default=0.5, gt=0, lt=1, description="Least SSD confidence of a face.")
    max_faces_per_frame: int = Field(
        default=500, ge=1, le=1000, description="The strongest faces of a frame kept."
    )

    # --- analysis ------------------------------------------------------------------------------------
    segment_target_ms: int = Field(default=45_000, ge=5_000, le=120_000, description="Aimed length of a segment.")
    segment_overlap_ms: int = Field(
        default=1_000, ge=500, le=5_000, description="Shared by neighbouring segments."
    )
    sample_fps: float = Field(default=5.0, gt=0, le=30, description="Frames per second on which faces are sought.")
    segment_timeout_s: int = Field(
        default=900, ge=5, description="Wait for a segment's result before re-queueing."
    )
    segment_max_attempts: int = Field(default=3, ge=1, le=5, description="Times a segment is queued at most.")
    segment_batch_size: int = Field(default=50, ge=1, le=50, description="Segments per sub-orchestration.")

    # --- worker --------------------------------------------------------------------------------------
    lease_seconds: int = Field(
        default=300, ge=5, le=3600, description="Visibility of a leased job; renewed at half."
    )
    idle_exit_seconds: int = Field(default=120, ge=0, description="Idle time before a worker ends; 0 = never.")
    max_dequeue: int = Field(
        default=5, ge=1, le=20, description="Deliveries before a job goes to the poison queue."
    )
    recycle_after_jobs: int = Field(default=0, ge=0, description="Jobs before a worker restarts; 0 = never.")
    shutdown_grace_seconds: int = Field(default=30, ge=1, description="Time to finish or hand back on SIGTERM.")

    # --- enrolment, matching, montage ----------------------------------------------------------------
    selfie_liveness: bool = Field(
        default=True,
        description="Keep what two anti-spoofing networks say of a selfie, as advice. Their weights state no "
        "licence; without their files there is no advice.",
    )
    caption_network: bool = Field(
        default=False,
        description="Let the captioning network of pack pro, where it is installed, describe clips; what it says "
        "is shown only where it keeps to the rules of captions, else the measured words are.",
    )
    target_false_matches: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Expected strangers matched per search of one video; sets the threshold.",
    )
    montage_min_ms: int = Field(
        default=15_000, ge=1_000, le=180_000, description="Aimed shortest montage, material permitting."
    )
    montage_max_ms: int = Field(
        default=45_000,
        ge=2_000,
        le=180_000,
        description="Longest montage. One ffmpeg process holds all its clips open: memory grows with them.",
    )
    montage_height: int = Field(default=720, ge=240, le=2160, description="Output height in pixels, 16:9.")
    profile_dir: Path | None = Field(
        default=None, description="Directory of the operator's own profiles, looked into before the built-in ones."
    )

    # --- telemetry -----------------------------------------------------------------------------------
    log_format: Literal["console", "json"] = Field(default="console", description="Shape of log lines.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level logged."
    )


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process's settings, read from the environment on first use."""
    return Settings()
