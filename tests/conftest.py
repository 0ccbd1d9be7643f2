"""Fixtures every room's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activities import duplicates, enrolment
from fanreel.domain.matching import decide
from fanreel.local.servers import Azurite, CosmosEmulator
from tests.unit.matching_world import WORLD

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.is_dir():
        pytest.skip(f"needs ../shared/{name}, which is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The directory of real test media; skips where it is absent."""
    return _shared("media")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The mirror of small public model files; skips where it is absent."""
    return _shared("models")


@pytest.fixture(scope="module")
def made_templates() -> Iterator[None]:
    """Search and enrol with the calibration of made templates (tests/unit/matching_world.py)."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (decide, duplicates, enrolment):
            patch.setattr(module, "baseline_calibration", lambda: WORLD)
        yield


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A real Azurite on free ports: `.connection_string`, `.blob_endpoint`. One for the session: use own names."""
    with Azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def cosmos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CosmosEmulator]:
    """A real Cosmos emulator on a free port: `.endpoint`, `.key`. One for the session: use own database names."""
    with CosmosEmulator(tmp_path_factory.mktemp("cosmos")) as server:
        yield server
