"""What every message and document has in common."""

import base64
from datetime import UTC, datetime
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

SCHEMA_VERSION = 1


def utc_now() -> datetime:
    """Return the current time in UTC, whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Wire(BaseModel):
    """Something that crosses a boundary: camelCase outside, snake_case inside, never changed in place."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        protected_namespaces=(),
        # What does not fit may be a template, and errors end up in logs and histories.
        hide_input_in_errors=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-ready form with camelCase keys."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_wire(cls, data: object) -> Self:
        """Read a dict or a JSON text (durable events arrive as either)."""
        return cls.model_validate_json(data) if isinstance(data, str | bytes) else cls.model_validate(data)


class Message(Wire):
    """A versioned message or raw artefact."""

    schema_version: int = SCHEMA_VERSION


class Document(Message):
    """A Cosmos DB document. The store stamps the two times; `etag` guards read-modify-write."""

    id: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = Field(default=None, alias="_etag", exclude=True)


class ModelContract(Wire):
    """Which network and preprocessing made an embedding. Two different contracts are never compared."""

    model_id: str
    sha256: str
    preprocessing: str


class Vectors(Wire):
    """A float matrix as text: little-endian rows, base64."""

    dtype: Literal["float32", "float16"]
    shape: tuple[int, int]
    data: str

    @classmethod
    def pack(cls, rows: NDArray[Any], dtype: Literal["float32", "float16"] = "float32") -> Self:
        """Pack an (n, d) matrix; float16 halves the size and costs about 1e-3 of distance."""
        kind = "<f4" if dtype == "float32" else "<f2"
        data = base64.b64encode(np.ascontiguousarray(rows, kind).tobytes()).decode()
        return cls(dtype=dtype, shape=(int(rows.shape[0]), int(rows.shape[1])), data=data)

    def unpack(self) -> NDArray[np.float32]:
        """Return the (n, d) float32 matrix."""
        kind = "<f4" if self.dtype == "float32" else "<f2"
        return np.frombuffer(base64.b64decode(self.data), kind).reshape(self.shape).astype(np.float32)
