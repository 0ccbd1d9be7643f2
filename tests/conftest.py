"""Fixtures every room's tests share."""

from pathlib import Path

import pytest

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
