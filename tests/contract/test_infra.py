"""What infra/ deploys carries the same names as the code."""

import re
from pathlib import Path
from typing import Any

import pycep
import pytest
import yaml

from fanreel.adapters.documents import CONTAINERS
from fanreel.settings import Settings

pytestmark = pytest.mark.contract

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
BICEP = sorted(INFRA.rglob("*.bicep"))


def parse(path: Path) -> dict[str, Any]:
    return dict(pycep.BicepParser().parse(text=path.read_text()))


def default(path: str, parameter: str) -> Any:
    return parse(INFRA / path)["parameters"][parameter]["default"]


def setting(name: str) -> str:
    return str(Settings.model_fields[name].default)


def known_environment() -> set[str]:
    prefix = Settings.model_config.get("env_prefix", "")
    names = {f"{prefix}{name}".upper() for name in Settings.model_fields}
    for field in Settings.model_fields.values():
        choices = getattr(field.validation_alias, "choices", [])
        names |= {str(choice) for choice in choices}
    return names


def scaled_job() -> dict[str, Any]:
    documents = list(yaml.safe_load_all((INFRA / "keda" / "scaledjob.yaml").read_text()))
    return next(d for d in documents if d["kind"] == "ScaledJob")


@pytest.mark.parametrize("path", BICEP, ids=lambda p: str(p.relative_to(INFRA)))
def test_every_bicep_file_parses_and_its_module_paths_exist(path: Path) -> None:
    for module in parse(path).get("modules", {}).values():
        assert (path.parent / module["detail"]["path"]).is_file()


def test_every_module_gets_exactly_the_parameters_it_declares() -> None:
    main = parse(INFRA / "main.bicep")
    for name, module in main["modules"].items():
        declared = parse(INFRA / module["detail"]["path"])["parameters"]
        config = module["config"].get("config", module["config"])
        given = set(config["params"])
        required = {p for p, spec in declared.items() if "default" not in spec or spec["default"] is None}
        assert given <= set(declared), name
        assert required <= given, name


def test_storage_has_the_containers_and_queues_the_code_uses() -> None:
    containers = [setting(n) for n in Settings.model_fields if n.startswith("container_")]
    queues = [setting(n) for n in Settings.model_fields if n.startswith("queue_")]
    assert default("modules/storage.bicep", "containers") == containers
    assert default("modules/storage.bicep", "queues") == [*queues, f"{setting('queue_segments')}-poison"]


def test_cosmos_has_the_containers_and_partition_keys_the_code_uses() -> None:
    deployed = {c["name"]: c["partitionKey"] for c in default("modules/cosmos.bicep", "containers")}
    assert deployed == {spec.name: f"/{spec.partition}" for spec in CONTAINERS.values()}
    assert default("modules/cosmos.bicep", "databaseName") == setting("cosmos_database")


def test_uploads_reach_the_functions_that_exist(fanreel_functions: dict[str, Any]) -> None:
    for upload in default("modules/events.bicep", "uploads"):
        trigger = fanreel_functions[upload["functionName"]].get_trigger()
        assert trigger.type == "blobTrigger"
        assert trigger.path.split("/")[0] == upload["container"]


def test_the_gpu_pool_scales_on_the_queue_the_app_fills() -> None:
    trigger = scaled_job()["spec"]["triggers"][0]
    assert trigger["metadata"]["queueName"] == setting("queue_segments")
    assert trigger["metadata"]["queueLength"] == "1"
    assert trigger["metadata"]["queueLengthStrategy"] == "all"
    text = (INFRA / "modules" / "gpu-pool.bicep").read_text()
    assert "queueLengthStrategy: 'all'" in text
    assert "queueLength: '1'" in text


def test_the_grace_time_of_a_pod_covers_the_workers_own() -> None:
    pod = scaled_job()["spec"]["jobTargetRef"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > int(setting("shutdown_grace_seconds"))


def test_every_fanreel_variable_that_is_deployed_is_a_setting() -> None:
    texts = [
        p.read_text() for p in [*BICEP, INFRA / "keda" / "scaledjob.yaml", ROOT / "gpu_workers" / "Dockerfile"]
    ]
    used = set(
        re.findall(r"\b(?:FANREEL_[A-Z_]+|AzureWebJobsStorage__(?:accountName|clientId))\b", " ".join(texts))
    )
    assert used, "the pattern must find something"
    assert used <= known_environment()


def test_the_dockerfile_copies_only_what_exists() -> None:
    text = (ROOT / "gpu_workers" / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            for device in ("cpu", "gpu"):
                assert (ROOT / source.replace("${DEVICE}", device)).exists(), source
