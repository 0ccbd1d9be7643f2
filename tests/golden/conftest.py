"""The baseline pack, built once per session from the npm packages into a fresh directory."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from fanreel.domain.faces import Bgr
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.packs import build_pack, pull_pack
from fanreel.settings import Settings

from .network_inputs import PHOTOS, ROOT


@pytest.fixture(scope="session")
def ssd_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A model directory with what can be built, and no YuNet."""
    settings = Settings(
        model_dir=tmp_path_factory.mktemp("models"), node_modules=ROOT / "node_modules", model_mirror=None
    )
    build_pack(settings)
    return settings


@pytest.fixture(scope="session")
def yunet_settings(
    ssd_settings: Settings, shared_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """The same with YuNet, pulled from the mirror beside the checkout."""
    folder = tmp_path_factory.mktemp("models_yunet")
    for built in ssd_settings.model_dir.glob("*.onnx"):
        os.link(built, folder / built.name)
    settings = ssd_settings.model_copy(update={"model_dir": folder, "model_mirror": str(shared_models)})
    assert pull_pack(settings, "baseline").ready == ("yunet",)
    return settings


@pytest.fixture(scope="session")
def ssd_networks(ssd_settings: Settings) -> Networks:
    return load_networks(ssd_settings)


@pytest.fixture(scope="session")
def yunet_networks(yunet_settings: Settings) -> Networks:
    return load_networks(yunet_settings)


@pytest.fixture(scope="session")
def photos() -> dict[str, Bgr]:
    """The photographs of npm face-api by file name, BGR."""
    found = {path.name: cv2.imread(str(path)) for path in sorted(PHOTOS.glob("sample*.jpg"))}
    return {name: np.asarray(picture, np.uint8) for name, picture in found.items()}
