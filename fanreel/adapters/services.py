"""The outside world of a process, built once from the settings."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from fanreel.adapters.blobs import BlobStore
from fanreel.adapters.documents import Documents
from fanreel.adapters.queues import JobQueue
from fanreel.settings import Settings, get_settings


@dataclass(frozen=True, slots=True)
class Services:
    """Storage, database and queues. Thread-safe."""

    settings: Settings
    blobs: BlobStore
    documents: Documents
    segments: JobQueue
    segment_results: JobQueue

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Build the clients (no call is made yet)."""
        return cls(
            settings=settings,
            blobs=BlobStore(settings),
            documents=Documents(settings),
            segments=JobQueue(settings, settings.queue_segments),
            segment_results=JobQueue(settings, settings.queue_segment_results),
        )

    def ensure(self) -> None:
        """Create containers, queues and database on the local emulators; nothing in Azure."""
        self.blobs.ensure()
        self.segments.ensure()
        self.segment_results.ensure()
        self.documents.ensure()

    def close(self) -> None:
        """Close all connections."""
        self.blobs.close()
        self.documents.close()
        self.segments.close()
        self.segment_results.close()


@lru_cache(maxsize=1)
def get_services() -> Services:
    """Return the process's services, connected and (locally) set up on first use."""
    services = Services.connect(get_settings())
    services.ensure()
    return services
