"""The app's HTTP API, as its clients call it."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, cast
from urllib.parse import quote

from fanreel.errors import ContractBroken, InputRejected, TransientFault

TIMEOUT_SECONDS = 30.0
CONSENT_TEXT_VERSION = "cli-1"


class Api:
    """A client of a running stack's API. `base_url` ends in `/api`."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")

    def create_fan(self, fan_id: str, event_ids: Sequence[str]) -> None:
        """Register a fan with consent; doing it again changes nothing."""
        self._call(
            "POST",
            "fans",
            {
                "fanId": fan_id,
                "eventIds": list(event_ids),
                "consent": {"given": True, "textVersion": CONSENT_TEXT_VERSION},
            },
        )

    def fan(self, fan_id: str) -> dict[str, Any] | None:
        """State of a fan; none when unknown."""
        return self._call("GET", f"fans/{quote(fan_id)}")

    def montages(self, fan_id: str) -> list[dict[str, Any]]:
        """A fan's montages."""
        found = self._call("GET", f"fans/{quote(fan_id)}/montages")
        return cast("list[dict[str, Any]]", found["montages"]) if found else []

    def video(self, video_id: str) -> dict[str, Any] | None:
        """State of a video; none while nothing is known of it."""
        return self._call("GET", f"videos/{quote(video_id)}")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any] | None:
        request = urllib.request.Request(  # noqa: S310  our own http URL
            f"{self._base}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                return cast("dict[str, Any]", json.loads(response.read() or b"{}"))
        except urllib.error.HTTPError as error:
            with error:
                return _refused(error, method, path)
        except (OSError, HTTPException) as error:
            raise TransientFault("api_unreachable", f"{self._base} does not answer: {error}") from error
        except ValueError as error:
            raise ContractBroken("api_answer", f"{method} {path} did not answer JSON") from error


def _refused(error: urllib.error.HTTPError, method: str, path: str) -> None:
    if error.code == 404 and method == "GET":
        return
    text = error.read().decode("utf-8", "replace")
    try:
        detail = str(json.loads(text).get("detail") or text)
    except (ValueError, AttributeError):
        detail = text
    if error.code >= 500:
        raise TransientFault("api_failed", f"{method} {path}: {error.code} {detail[:300]}")
    raise InputRejected("api_refused", f"{method} {path}: {error.code} {detail[:300]}")
