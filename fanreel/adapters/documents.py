"""Cosmos DB: typed documents, one container per kind, every read of the fan app inside one partition.

Built from an account key (local emulator) or the managed identity (Azure). Concurrency is optimistic:
`update` reads, lets a pure function change the document, and replaces it only if nobody was faster.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from fanreel.adapters.identity import azure_credential
from fanreel.contracts import (
    AppearanceDocument,
    Document,
    FanDocument,
    MatchDocument,
    MontageDocument,
    PersonDocument,
    ReviewDocument,
    VideoDocument,
    utc_now,
)
from fanreel.errors import ContractBroken
from fanreel.settings import Settings

_D = TypeVar("_D", bound=Document)

# How many upserts are under way at once; more only meets the account's request-unit limit.
_PARALLEL_WRITES = 8
# A document is contended by a handful of activities at most; beyond this something is wrong.
_CONFLICT_ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container and the camelCase path of its partition key, without slash."""

    name: str
    partition: str


CONTAINERS: Mapping[type[Document], ContainerSpec] = {
    VideoDocument: ContainerSpec("videos", "videoId"),
    AppearanceDocument: ContainerSpec("appearances", "videoId"),
    PersonDocument: ContainerSpec("people", "videoId"),
    FanDocument: ContainerSpec("fans", "fanId"),
    MatchDocument: ContainerSpec("matches", "fanId"),
    MontageDocument: ContainerSpec("montages", "fanId"),
    ReviewDocument: ContainerSpec("reviews", "eventId"),
}


class Documents:
    """The app's Cosmos database. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_local = settings.cosmos_key is not None
        self._client = _client(settings)
        self._database = self._client.get_database_client(settings.cosmos_database)
        self._containers = {
            kind: self._database.get_container_client(spec.name) for kind, spec in CONTAINERS.items()
        }

    def close(self) -> None:
        """Close the connections."""
        self._client.__exit__(None, None, None)

    def ensure(self) -> None:
        """Create database and containers on the local emulator; in Azure they come with the infrastructure."""
        if not self._is_local:
            return
        database = self._client.create_database_if_not_exists(self._settings.cosmos_database)
        for spec in CONTAINERS.values():
            database.create_container_if_not_exists(spec.name, PartitionKey(f"/{spec.partition}"))

    def get(self, kind: type[_D], document_id: str, partition: str) -> _D | None:
        """Point read; None when there is no such document."""
        try:
            options: dict[str, Any] = {"request_options": dict(_EMULATOR_READ)} if self._is_local else {}
            found = self._container(kind).read_item(document_id, partition, **options)
        except CosmosResourceNotFoundError:
            return None
        return _parse(kind, found)

    def create(self, document: _D) -> _D | None:
        """Write a new document; None when one with this id is there already (it is left alone)."""
        try:
            written = self._container(type(document)).create_item(_stamped(document))
        except CosmosResourceExistsError:
            return None
        return _parse(type(document), written)

    def upsert(self, document: _D) -> _D:
        """Write a document whatever was there. For deterministic documents; races need `update`."""
        return _parse(type(document), self._container(type(document)).upsert_item(_stamped(document)))

    def upsert_many(self, documents: Iterable[Document]) -> int:
        """Upsert several documents, some at a time; returns how many."""
        with ThreadPoolExecutor(_PARALLEL_WRITES, thread_name_prefix="upsert") as pool:
            return sum(1 for _ in pool.map(self.upsert, documents))

    def update(
        self, kind: type[_D], document_id: str, partition: str, change: Callable[[_D], _D | None]
    ) -> _D | None:
        """Change a document under its etag, again from the start when somebody was faster.

        `change` gets the current document and returns the new one, or None to leave it as it is.
        Returns the document as it now is; None when there is none. `change` may be called several times.
        """
        container = self._container(kind)

        @retry(
            retry=retry_if_exception_type(CosmosAccessConditionFailedError),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            stop=stop_after_attempt(_CONFLICT_ATTEMPTS),
            reraise=True,
        )
        def attempt() -> _D | None:
            current = self.get(kind, document_id, partition)
            changed = None if current is None else change(current)
            if current is None or changed is None:
                return current
            try:
                written = container.replace_item(
                    document_id,
                    _stamped(changed),
                    etag=current.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except CosmosResourceNotFoundError:
                return None
            return _parse(kind, written)

        return attempt()

    def patch(self, kind: type[Document], document_id: str, partition: str, values: Mapping[str, object]) -> None:
        """Set single fields (`/path` → JSON value, at most 9) whatever the rest of the document is."""
        operations: list[dict[str, Any]] = [
            {"op": "set", "path": path, "value": value}
            for path, value in {**values, "/updatedAt": _iso_now()}.items()
        ]
        self._container(kind).patch_item(document_id, partition, operations)

    def delete(self, kind: type[Document], document_id: str, partition: str, *, etag: str | None = None) -> bool:
        """Delete a document, with `etag` only that version of it; False when there was none (any more)."""
        condition: dict[str, Any] = (
            {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        )
        try:
            self._container(kind).delete_item(document_id, partition, **condition)
        except (CosmosResourceNotFoundError, CosmosAccessConditionFailedError):
            return False
        return True

    def query(
        self,
        kind: type[_D],
        where: str,
        parameters: Mapping[str, object],
        *,
        partition: str | None = None,
    ) -> Iterator[_D]:
        """Yield the documents for which `where` (over `c`, with @names) holds.

        With `partition` the query stays inside that one logical partition; without, it visits all.
        """
        for item in self._rows(kind, "*", where, parameters, partition):
            yield _parse(kind, item)

    def select(
        self,
        kind: type[Document],
        fields: Iterable[str],
        where: str,
        parameters: Mapping[str, object],
        *,
        partition: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield only some (camelCase) fields of the documents for which `where` holds."""
        return self._rows(kind, ", ".join(f"c.{field}" for field in fields), where, parameters, partition)

    def _rows(
        self,
        kind: type[Document],
        columns: str,
        where: str,
        parameters: Mapping[str, object],
        partition: str | None,
    ) -> Iterator[dict[str, Any]]:
        clauses = [f"({where})"] if where else []
        values = dict(parameters)
        options: dict[str, Any] = {"enable_cross_partition_query": True}
        if partition is not None:
            options = {"partition_key": partition}
            clauses.append(f"c.{_spec(kind).partition} = @partition")
            values["@partition"] = partition
        # Columns and clauses are literals of this code base; every value goes through a parameter.
        condition = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        text = f"SELECT {columns} FROM c{condition}"  # noqa: S608
        named = [{"name": name, "value": value} for name, value in values.items()]
        yield from self._container(kind).query_items(text, parameters=named, **options)

    def _container(self, kind: type[Document]) -> ContainerProxy:
        return self._containers[kind]


# The emulator answers 500 instead of 404 to a point read of a missing document, unless the header this
# option sets is there (it says nothing about where a point read looks).
_EMULATOR_READ = {"enableCrossPartitionQuery": "True"}


def _client(settings: Settings) -> CosmosClient:
    if not settings.cosmos_endpoint:
        raise ContractBroken("settings_cosmos", "Set FANREEL_COSMOS_ENDPOINT.")
    if settings.cosmos_key is None:
        return CosmosClient(settings.cosmos_endpoint, azure_credential(settings))
    local = urlsplit(settings.cosmos_endpoint)
    return CosmosClient(
        settings.cosmos_endpoint,
        settings.cosmos_key.get_secret_value(),
        # The emulator names itself by another address than we reach it by, with a certificate of its own.
        enable_endpoint_discovery=False,
        connection_verify=local.hostname not in {"localhost", "127.0.0.1"},
    )


def _spec(kind: type[Document]) -> ContainerSpec:
    return CONTAINERS[kind]


def _iso_now() -> str:
    return utc_now().isoformat().replace("+00:00", "Z")


def _stamped(document: Document) -> dict[str, Any]:
    now = utc_now()
    return document.model_copy(update={"created_at": document.created_at or now, "updated_at": now}).to_wire()


def _parse(kind: type[_D], item: Mapping[str, Any]) -> _D:
    try:
        return kind.from_wire(dict(item))
    except ValueError as broken:
        raise ContractBroken(
            "document_contract", f"{kind.__name__} {item.get('id')} does not fit: {broken}"
        ) from broken
