"""Services on the real local servers, with containers, queues and a database of their own."""

import contextlib
import uuid
from collections.abc import Generator
from typing import Any

from pydantic import SecretStr

from fanreel.adapters.services import Services
from fanreel.local.servers import Azurite, CosmosEmulator
from fanreel.settings import Settings


@contextlib.contextmanager
def services_on(azurite: Azurite, cosmos: CosmosEmulator, **changes: Any) -> Generator[Services]:
    """Connected and set-up services; `changes` are settings."""
    own = uuid.uuid4().hex[:8]
    settings = Settings(
        storage_connection=SecretStr(azurite.connection_string),
        storage_account=None,
        container_videos=f"videos-{own}",
        container_selfies=f"selfies-{own}",
        container_results=f"results-{own}",
        container_montages=f"montages-{own}",
        queue_segments=f"segments-{own}",
        queue_segment_results=f"segment-results-{own}",
        cosmos_endpoint=cosmos.endpoint,
        cosmos_key=SecretStr(cosmos.key),
        cosmos_database=f"flow-{own}",
        **changes,
    )
    with contextlib.closing(Services.connect(settings)) as services:
        services.ensure()
        yield services
