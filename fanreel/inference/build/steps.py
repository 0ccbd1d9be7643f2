"""The build steps that `catalogue.toml` names: which package, which file, which writer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fanreel.errors import InputRejected, ModelFault

from . import face_api, ssd
from .graph_model import translate
from .weights import Weights, read_manifest

BGR_MEAN = (103.939, 116.779, 123.68)
"""ImageNet means of the caffe tradition: what `faceres` was trained on. RGB / 255 gives chance-level results."""


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package whose weights we convert; another version may hold other weights."""

    name: str
    version: str
    models: str

    def folder(self, node_modules: Path) -> Path:
        """Return the folder of its models.

        Raises InputRejected `npm_package_missing` or `npm_package_version`.
        """
        root = node_modules / self.name
        manifest = root / "package.json"
        if not manifest.is_file():
            raise InputRejected(
                "npm_package_missing",
                f"{self.name} {self.version} is not in {node_modules}: run `npm ci` first "
                "(or set FANREEL_NODE_MODULES).",
            )
        found = str(json.loads(manifest.read_text("utf-8")).get("version"))
        if found != self.version:
            raise InputRejected(
                "npm_package_version",
                f"{self.name} is version {found}, the catalogue was made from {self.version}: run `npm ci`.",
                found=found,
                expected=self.version,
            )
        return root / self.models


FACE_API = Package("@vladmandic/face-api", "1.7.15", "model")
HUMAN = Package("@vladmandic/human", "3.3.6", "models")
SEGMENTATION = Package("human-segmentation", "2.8.1", "models")
"""An older @vladmandic/human under a name of its own: the last that holds the segmentation network."""


def _from_manifest(write: Callable[[Weights], bytes]) -> Callable[[Path], bytes]:
    return lambda path: write(read_manifest(path))


def _from_graph(mean: tuple[float, ...] | None, scale: float | None, **outputs: str) -> Callable[[Path], bytes]:
    return lambda path: translate(path, mean, scale, outputs)


@dataclass(frozen=True, slots=True)
class Step:
    """One build step: reads `source` in the package's models folder, returns ONNX bytes."""

    package: Package
    source: str
    write: Callable[[Path], bytes]

    def run(self, node_modules: Path) -> bytes:
        """Build the network.

        Raises InputRejected for a missing or wrong package, ModelFault for weights that do not fit.
        """
        path = self.package.folder(node_modules) / self.source
        try:
            return self.write(path)
        except (OSError, KeyError, ValueError) as error:
            raise ModelFault(
                "weights_malformed",
                f"{self.package.name}: {self.source} cannot be converted ({error}). Run `npm ci`.",
            ) from error


def _face_api(source: str, write: Callable[[Weights], bytes]) -> Step:
    return Step(FACE_API, f"{source}_model-weights_manifest.json", _from_manifest(write))


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "face_api.recognition": _face_api("face_recognition", face_api.recognition),
        "face_api.expression": _face_api("face_expression", face_api.expression),
        "face_api.age_gender": _face_api("age_gender", face_api.age_gender),
        "face_api.landmarks": _face_api("face_landmark_68", face_api.landmarks),
        "face_api.ssd": _face_api("ssd_mobilenetv1", ssd.ssd_mobilenetv1),
        "human.faceres": Step(
            HUMAN,
            "faceres.json",
            _from_graph(
                BGR_MEAN,
                None,
                descriptor="global_pooling/Mean",
                gender="gender_pred/Sigmoid",
                age="age_pred/Softmax",
            ),
        ),
        "human.facemesh": Step(
            HUMAN,
            "facemesh.json",
            _from_graph(None, 255, mesh="Identity_2", presence="Identity_1", contours="Identity"),
        ),
        "human.emotion": Step(HUMAN, "emotion.json", _from_graph((127.5,), 127.5, probabilities="Identity")),
        "human.antispoof": Step(HUMAN, "antispoof.json", _from_graph(None, 255, real="Identity")),
        "human.liveness": Step(HUMAN, "liveness.json", _from_graph(None, 255, live="Identity")),
        "human.selfie": Step(SEGMENTATION, "selfie.json", _from_graph(None, 255, person="activation_10")),
    }
)


def build_step(name: str) -> Step:
    """Return the step; raises ModelFault `build_step_unknown`."""
    step: Any = STEPS.get(name)
    if step is None:
        raise ModelFault("build_step_unknown", f"the catalogue names build step {name!r}, which does not exist.")
    return step
