"""What the command line decides about one run of the host."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the command line decides."""

    state_dir: Path
    address: str = "127.0.0.1"
    port: int = 7071
    blob_scan_s: float = 1.0
    poll_event_grid: bool = False
    grace_s: float = 5.0
    queue_lease_s: int = 60
    cors: tuple[str, ...] = ()
