"""Input and output bindings that are not triggers: queue and blob outputs, blob inputs, SDK-type values."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import azure.functions as func
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.functions import meta
from azure.storage.blob.aio import BlobClient

from devhost.config import substitute_settings
from devhost.errors import ConfigError
from devhost.invoke import Outcome
from devhost.loader import BindingSpec, LoadedFunction, sdk_type
from devhost.patterns import fill_path
from devhost.storage import StorageAccounts, push_message

WRITABLE_OUTPUTS = frozenset({"queue", "blob"})


@dataclass(frozen=True, slots=True)
class ModelBindingData:
    """What the host sends the worker for an SDK-type parameter: where the blob is, never its content."""

    content: bytes
    content_type: str = "application/json"
    source: str = "AzureStorageBlobs"
    version: str = "1.0"


def converter(binding_type: str) -> Any:
    """The SDK's converter of a binding type; ``None`` when it has none."""
    return meta.get_binding_registry().get(binding_type)


def deferred_blob(annotation: Any, setting: str, container: str, blob: str) -> Any:
    """The azure-storage-blob object an SDK-type parameter receives, made by the extension's own converter."""
    from azurefunctions.extensions.base import Datum, get_binding_registry

    content = json.dumps({"Connection": setting, "ContainerName": container, "BlobName": blob}).encode()
    datum = Datum(ModelBindingData(content), "model_binding_data")
    registry: Any = get_binding_registry()
    return registry.get("blobTrigger").decode(datum, trigger_metadata=None, pytype=annotation)


def split_blob_path(path: str) -> tuple[str, str]:
    """``container/some/blob`` → container and blob name; raises :class:`ConfigError` when either is empty."""
    container, _, name = path.strip("/").partition("/")
    if not container or not name:
        raise ConfigError(f"{path!r} is not a container/blob path")
    return container, name


class BindingIO:
    """Reads input bindings before a call and writes output bindings after it."""

    def __init__(self, accounts: StorageAccounts, environ: Mapping[str, str], *, encode_messages: bool) -> None:
        self._accounts, self._environ = accounts, environ
        self._encode = encode_messages

    async def read_inputs(self, function: LoadedFunction, data: Mapping[str, Any]) -> dict[str, Any]:
        """Values of every ``blob`` input binding of ``function``; a missing blob reads as ``None``."""
        values: dict[str, Any] = {}
        for binding in function.bindings:
            if binding.is_output or binding.type != "blob":
                continue
            container, name = split_blob_path(self._filled(binding, "path", data))
            annotation = sdk_type(function.annotations.get(binding.name))
            connection = binding.text("connection")
            if annotation is not None:
                values[binding.name] = deferred_blob(
                    annotation, self._accounts.setting(connection), container, name
                )
            else:
                client = self._accounts.blobs(connection).get_blob_client(container, name)
                values[binding.name] = await self._download(client)
        return values

    def _filled(self, binding: BindingSpec, key: str, data: Mapping[str, Any]) -> str:
        return fill_path(substitute_settings(binding.text(key), self._environ), data)

    async def _download(self, client: BlobClient) -> Any:
        try:
            content = await (await client.download_blob()).readall()
        except ResourceNotFoundError:
            return None
        return converter("blob").decode(meta.Datum(content, "bytes"), trigger_metadata=None)

    async def write_outputs(self, function: LoadedFunction, outcome: Outcome, data: Mapping[str, Any]) -> None:
        """Send what the call produced: named ``func.Out`` values and a queue or blob ``$return``."""
        for binding in function.outputs():
            value = outcome.result if binding.name == "$return" else outcome.outputs.get(binding.name)
            if value is None or binding.type not in WRITABLE_OUTPUTS:
                continue
            if binding.type == "queue":
                await self._send(binding, value, data)
            else:
                await self._upload(binding, value, data)

    async def _send(self, binding: BindingSpec, value: Any, data: Mapping[str, Any]) -> None:
        name = self._filled(binding, "queueName", data)
        queue = self._accounts.queues(binding.text("connection")).get_queue_client(name)
        for body in queue_bodies(value):
            await push_message(queue, body, encode=self._encode)

    async def _upload(self, binding: BindingSpec, value: Any, data: Mapping[str, Any]) -> None:
        container, name = split_blob_path(self._filled(binding, "path", data))
        service = self._accounts.blobs(binding.text("connection"))
        content = converter("blob").encode(value, expected_type=None).value
        client = service.get_blob_client(container, name)
        try:
            await client.upload_blob(content, overwrite=True)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await service.create_container(container)
            await client.upload_blob(content, overwrite=True)


def queue_bodies(value: Any) -> list[str | bytes]:
    """The message bodies an output value means: one, or one per element of a list."""
    if isinstance(value, str | bytes):
        return [value]
    if isinstance(value, func.QueueMessage):
        return [value.get_body()]
    if isinstance(value, Mapping):
        return [json.dumps(value)]
    if isinstance(value, Iterable):
        return [body for item in cast("Iterable[Any]", value) for body in queue_bodies(item)]
    raise TypeError(f"a queue output cannot be of type {type(value).__name__}")
