"""The durable HTTP management API and the client binding (extension: HttpApiHandler.cs, BindingHelper.cs).

The same routes serve people (``/runtime/webhooks/durabletask/…``) and the SDK's own client, which reaches them
through ``rpcBaseUrl`` (``/durabletask/…`` on the loopback).
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web

from devhost.durable.history import dumps, iso, parse_iso
from devhost.durable.operations import InstanceOverError, Operations, readable_history
from devhost.durable.store import FINAL, InstanceRow, Store
from devhost.errors import DurableError, InstanceConflictError, InstanceNotFoundError, InvalidTransitionError

WEBHOOK_PREFIX = "/runtime/webhooks/durabletask"
RPC_PREFIX = "/durabletask"
_OPERATIONS = {
    "terminatePostUri": "/terminate?reason={text}&",
    "rewindPostUri": "/rewind?reason={text}&",
    "restartPostUri": "/restart?",
    "suspendPostUri": "/suspend?reason={text}&",
    "resumePostUri": "/resume?reason={text}&",
    "sendEventPostUri": "/raiseEvent/{eventName}?",
    "statusQueryGetUri": "?",
    "purgeHistoryDeleteUri": "?",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DurableApi:
    """HTTP face of one task hub.

    Args:
        operations: what the requests do.
        store: for queries.
        hub: task hub name, part of every URL.
        key: the system key shown in URLs; this host does not check it, as Core Tools does not.
    """

    def __init__(self, operations: Operations, store: Store, wait: Callable[[str, float], Awaitable[bool]],
                 hub: str, key: str) -> None:  # fmt: skip
        self._operations, self._store, self._wait, self._hub, self._key = operations, store, wait, hub, key

    def register(self, app: web.Application) -> None:
        """Add the routes under both prefixes."""
        for prefix in (WEBHOOK_PREFIX, RPC_PREFIX):
            routes: list[tuple[str, str, Handler]] = [
                ("POST", "/orchestrators/{function}", self._start),
                ("POST", "/orchestrators/{function}/{id}", self._start),
                ("GET", "/instances", self._list),
                ("GET", "/instances/", self._list),
                ("DELETE", "/instances", self._purge_matching),
                ("DELETE", "/instances/", self._purge_matching),
                ("GET", "/instances/{id}", self._status),
                ("DELETE", "/instances/{id}", self._purge),
                ("POST", "/instances/{id}/raiseEvent/{event}", self._raise_event),
                ("POST", "/instances/{id}/{operation:terminate|suspend|resume|rewind}", self._change),
                ("POST", "/instances/{id}/restart", self._restart),
                ("*", "/entities/{tail:.*}", self._entities),
            ]
            for method, path, handler in routes:
                app.router.add_route(method, prefix + path, _reporting(handler))

    def management_urls(self, origin: str, instance_id: str) -> dict[str, str]:
        """The check-status payload of an instance for callers who reach the host at ``origin``."""
        tail = f"taskHub={self._hub}&connection=Storage&code={self._key}"
        base = f"{origin}{WEBHOOK_PREFIX}/instances/{instance_id}"
        return {"id": instance_id, **{name: base + path + tail for name, path in _OPERATIONS.items()}}

    def client_binding(self, origin: str, rpc_base_url: str) -> str:
        """The JSON a durable client parameter is made from."""
        base = f"{origin}{WEBHOOK_PREFIX}"
        create = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]?"
        code = f"code={self._key}"
        return dumps(
            {
                "taskHubName": self._hub,
                "connectionName": None,
                "creationUrls": {
                    "createNewInstancePostUri": create + code,
                    "createAndWaitOnNewInstancePostUri": f"{create}timeout={{timeoutInSeconds}}&"
                    f"pollingInterval={{intervalInSeconds}}&{code}",
                },
                "managementUrls": self.management_urls(origin, "INSTANCEID"),
                "baseUrl": base,
                "requiredQueryStringParameters": code,
                "rpcBaseUrl": rpc_base_url,
                "httpBaseUrl": None,
            }
        )

    async def _start(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        if body:
            try:
                json.loads(body)
            except ValueError as error:
                return _error(400, "The request body is not valid JSON.", error)
        try:
            instance_id = self._operations.start(
                request.match_info["function"],
                body or None,
                request.match_info.get("id"),
                request.query.get("version", ""),
            )
        except InstanceConflictError:
            raise
        except DurableError as error:
            return _error(400, "One or more of the arguments submitted is incorrect", error)
        if "timeout" in request.query and await self._wait(instance_id, float(request.query["timeout"])):
            return _status_response(request, self._operations.get(instance_id), None)
        return self._check_status(request, instance_id)

    def _check_status(self, request: web.Request, instance_id: str) -> web.Response:
        urls = self.management_urls(_origin(request), quote(instance_id, safe=":"))
        urls["id"] = instance_id
        headers = {"Location": urls["statusQueryGetUri"], "Retry-After": "10"}
        return web.json_response(urls, status=202, headers=headers)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        row = self._operations.get(request.match_info["id"])
        history = self._store.history(row.id) if _flag(request, "showHistory") else None
        return _status_response(request, row, history)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        top = int(query.get("top", "0"))
        after = _parse_token(request.headers.get("x-ms-continuation-token", ""))
        rows = self._store.query_instances(
            statuses=_statuses(request),
            created_from=_moment(query.get("createdTimeFrom")),
            created_to=_moment(query.get("createdTimeTo")),
            id_prefix=query.get("instanceIdPrefix", ""),
            after=after,
            limit=top or -1,
        )
        show_input = _flag(request, "showInput", default=True)
        response = web.json_response([_status_body(row, show_input=show_input) for row in rows])
        if top and len(rows) == top:
            response.headers["x-ms-continuation-token"] = f"{rows[-1].created}|{rows[-1].id}"
        return response

    async def _raise_event(self, request: web.Request) -> web.StreamResponse:
        self._operations.get(request.match_info["id"])
        if request.content_type != "application/json":
            return web.Response(status=400, text="Only application/json request content is supported")
        body = await request.text()
        try:
            json.loads(body or "null")
        except ValueError as error:
            return _error(400, "The request body is not valid JSON.", error)
        self._operations.raise_event(request.match_info["id"], request.match_info["event"], body or None)
        return web.Response(status=202)

    async def _change(self, request: web.Request) -> web.StreamResponse:
        operation: Callable[[str, str], None] = getattr(self._operations, request.match_info["operation"])
        operation(request.match_info["id"], request.query.get("reason", ""))
        return web.Response(status=202)

    async def _restart(self, request: web.Request) -> web.StreamResponse:
        new_id = _flag(request, "restartWithNewInstanceId", default=True)
        try:
            instance_id = self._operations.restart(request.match_info["id"], with_new_id=new_id)
        except InstanceNotFoundError as error:
            return _error(400, "InstanceId does not match a valid orchestration instance.", error)
        return self._check_status(request, instance_id)

    async def _purge(self, request: web.Request) -> web.StreamResponse:
        return _purged(self._operations.purge(request.match_info["id"]))

    async def _purge_matching(self, request: web.Request) -> web.StreamResponse:
        created_from = _moment(request.query.get("createdTimeFrom"))
        if created_from is None:
            return web.Response(status=400, text="Please provide value for 'createdTimeFrom' parameter.")
        created_to = _moment(request.query.get("createdTimeTo"))
        return _purged(self._operations.purge_matching(created_from, created_to, _statuses(request)))

    async def _entities(self, _: web.Request) -> web.StreamResponse:
        return web.Response(status=501, text="Durable entities are not offered by this local host.")


def _reporting(handler: Handler) -> Handler:
    """Turn the operations' errors into the API's status codes."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except InstanceNotFoundError:
            return web.Response(status=404)
        except InstanceOverError:
            return web.Response(status=410)
        except (InvalidTransitionError, InstanceConflictError) as error:
            return _error(500, "Something went wrong while processing your request", error)
        except (DurableError, ValueError) as error:
            return _error(400, "One or more of the arguments submitted is incorrect", error)

    return handle


def _error(status: int, message: str, error: Exception) -> web.Response:
    body = {
        "Message": message,
        "ExceptionMessage": str(error),
        "ExceptionType": type(error).__name__,
        "StackTrace": "",
    }
    return web.json_response(body, status=status)


def _purged(count: int) -> web.Response:
    return web.json_response({"instancesDeleted": count}) if count else web.Response(status=404)


def _origin(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _flag(request: web.Request, name: str, *, default: bool = False) -> bool:
    value = request.query.get(name)
    return default if value is None else value.lower() == "true"


def _statuses(request: web.Request) -> list[str]:
    return [status.strip() for status in request.query.get("runtimeStatus", "").split(",") if status.strip()]


def _moment(text: str | None) -> str | None:
    """A query timestamp in the form the database compares."""
    # A "+" of an offset arrives as a space when the caller did not encode it.
    return iso(parse_iso(text.strip().replace(" ", "+"))) if text else None


def _parse_token(token: str) -> tuple[str, str] | None:
    created, separator, instance_id = token.partition("|")
    return (created, instance_id) if separator else None


def _status_response(request: web.Request, row: InstanceRow, history: list[dict[str, Any]] | None) -> web.Response:
    body = _status_body(row, show_input=_flag(request, "showInput", default=True))
    if history is not None:
        body["historyEvents"] = readable_history(history, show_output=_flag(request, "showHistoryOutput"))
    if row.status not in FINAL:
        headers = {"Location": str(request.url), "Retry-After": "5"}
        return web.json_response(body, status=202, headers=headers)
    failed = row.status == "Failed" and _flag(request, "returnInternalServerErrorOnFailure")
    return web.json_response(body, status=500 if failed else 200)


def _status_body(row: InstanceRow, *, show_input: bool) -> dict[str, Any]:
    return {
        "name": row.name,
        "instanceId": row.id,
        "runtimeStatus": row.status,
        "input": _json_or_text(row.input) if show_input else None,
        "customStatus": _json_or_text(row.custom_status),
        "output": _json_or_text(row.output),
        "createdTime": _whole_second(row.created),
        "lastUpdatedTime": _whole_second(row.updated),
    }


def _json_or_text(text: str | None) -> Any:
    """The JSON value of ``text``, or the text itself when it is none (DurableClient.ParseToJToken)."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _whole_second(text: str) -> str:
    moment: datetime = parse_iso(text)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
