"""The HTTP face of the host: function routes, admin endpoints, the Event Grid webhook for blobs."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web
from azure.functions import meta

from devhost.bindings import converter
from devhost.errors import AppError, FunctionFailedError, HostError
from devhost.invoke import Outcome, TraceState
from devhost.loader import LoadedFunction
from devhost.routes import Route, compile_route

log = logging.getLogger("devhost.http")

# Azure's front end accepts up to 210 MB.
MAX_BODY_BYTES = 210 * 1024 * 1024
RunHttp = Callable[[LoadedFunction, Any, dict[str, Any], TraceState], Awaitable[Outcome]]
RunAdmin = Callable[[LoadedFunction, str], Awaitable[None]]
Notify = Callable[[LoadedFunction, str, str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """One HTTP-triggered function with its compiled route."""

    function: LoadedFunction
    route: Route
    methods: tuple[str, ...]


def endpoint_of(function: LoadedFunction, prefix: str) -> HttpEndpoint:
    """The endpoint of an HTTP function; no ``methods`` means every verb."""
    route = function.trigger.text("route") or function.name
    path = f"{prefix}/{route.lstrip('/')}" if prefix else route.lstrip("/")
    methods: list[Any] = function.trigger.data.get("methods") or []
    return HttpEndpoint(function, compile_route(path), tuple(str(method).upper() for method in methods))


class HttpFront:
    """Routes requests to functions; functions come in through callbacks, so this knows no engine.

    Args:
        endpoints: HTTP functions.
        functions: all functions, for the admin API.
        run: calls an HTTP function.
        run_admin: starts a non-HTTP function with the input an administrator gives.
        notify: records that a blob function must see a blob version (function, container, blob, ETag).
        host_id: shown by the status endpoint.
    """

    def __init__(
        self, endpoints: Sequence[HttpEndpoint], functions: Sequence[LoadedFunction], run: RunHttp,
        run_admin: RunAdmin, notify: Notify, host_id: str,
    ) -> None:  # fmt: skip
        self._endpoints = sorted(endpoints, key=lambda endpoint: endpoint.route.precedence)
        self._functions = {function.name.lower(): function for function in functions}
        self._run, self._run_admin, self._notify, self._host_id = run, run_admin, notify, host_id
        self._started = time.monotonic()
        templates = [(e.route.template.lower(), e.methods) for e in endpoints]
        if repeated := {t for t, m in templates if templates.count((t, m)) > 1}:
            raise AppError(f"several functions share the route {sorted(repeated)[0]!r}")

    def register(self, app: web.Application) -> None:
        """Add the routes; the catch-all for functions comes last."""
        app.router.add_get("/admin/host/status", self._host_status)
        app.router.add_get("/admin/functions", self._list_functions)
        app.router.add_post("/admin/functions/{name}", self._admin_call)
        app.router.add_route("*", "/runtime/webhooks/blobs", self._blob_webhook)
        app.router.add_route("*", "/{tail:.*}", self._function)

    async def _host_status(self, _: web.Request) -> web.Response:
        uptime_ms = round((time.monotonic() - self._started) * 1000)
        body = {"id": self._host_id, "state": "Running", "version": "4.devhost", "processUptime": uptime_ms}
        return web.json_response(body)

    async def _list_functions(self, _: web.Request) -> web.Response:
        functions = self._functions.values()
        listed = [{"name": f.name, "config": {"bindings": [b.data for b in f.bindings]}} for f in functions]
        return web.json_response(listed)

    async def _admin_call(self, request: web.Request) -> web.Response:
        function = self._functions.get(request.match_info["name"].lower())
        if function is None:
            return web.Response(status=404)
        body = await request.text()
        try:
            given = json.loads(body).get("input", "") if body.strip() else ""
        except (ValueError, AttributeError):
            return web.Response(status=400, text='The body must be {"input": …}')
        text = given if isinstance(given, str) else json.dumps(given)
        try:
            await self._run_admin(function, text)
        except HostError as error:
            return web.Response(status=400, text=str(error))
        return web.Response(status=202)

    async def _blob_webhook(self, request: web.Request) -> web.Response:
        name = request.query.get("functionName", "").rpartition(".")[2]
        function = self._functions.get(name.lower())
        if function is None or function.trigger.type != "blobTrigger":
            return web.Response(status=404, text=f"no blob-triggered function {name!r}")
        if request.method == "OPTIONS":  # CloudEvents handshake
            origin = request.headers.get("WebHook-Request-Origin", "*")
            return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
        try:
            payload = json.loads(await request.text())
        except ValueError:
            return web.Response(status=400, text="The body is not valid JSON")
        events: list[dict[str, Any]] = payload if isinstance(payload, list) else [payload]
        for event in events:
            if event.get("eventType") == "Microsoft.EventGrid.SubscriptionValidationEvent":
                return web.json_response({"validationResponse": event["data"]["validationCode"]})
        for event in events:
            if (event.get("eventType") or event.get("type")) == "Microsoft.Storage.BlobCreated":
                container, blob = blob_of_event(event)
                await self._notify(function, container, blob, str(event["data"].get("eTag") or ""))
        return web.Response(status=202)

    async def _function(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.Response(text="Your Functions host is up and running (devhost)")
        raw_path = request.rel_url.raw_path
        for endpoint in self._endpoints:
            if endpoint.methods and request.method not in endpoint.methods:
                continue  # as in Azure, a wrong verb is 404, not 405
            parameters = endpoint.route.match(raw_path)
            if parameters is not None:
                return await self._call(endpoint, request, parameters)
        return web.Response(status=404)

    async def _call(
        self, endpoint: HttpEndpoint, request: web.Request, parameters: dict[str, str]
    ) -> web.Response:
        body = await request.read()
        value = decode_request(request, parameters, body)
        trace = TraceState(request.headers.get("traceparent", ""), request.headers.get("tracestate", ""))
        data: dict[str, Any] = {**parameters, "Query": dict(request.query), "Headers": dict(request.headers)}
        data.update(_json_fields(request, body))
        try:
            outcome = await self._run(endpoint.function, value, data, trace)
            return encode_response(endpoint.function, outcome)
        except FunctionFailedError as error:
            return web.Response(status=500, text=f"Function '{endpoint.function.name}' failed: {error}")
        except (HostError, TypeError, RuntimeError) as error:
            log.error("Function '%s': its output cannot be delivered: %s", endpoint.function.name, error)
            return web.Response(status=500, text=f"Function '{endpoint.function.name}': {error}")


def cors_middleware(origins: Sequence[str]) -> Any:
    """Let browsers call from ``origins`` (``*`` for any), preflight requests included."""

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        if not origin or not ("*" in origins or origin in origins):
            return await handler(request)
        preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        response = web.Response(status=204) if preflight else await handler(request)
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
        if preflight:
            asked = request.headers
            response.headers["Access-Control-Allow-Methods"] = asked["Access-Control-Request-Method"]
            response.headers["Access-Control-Allow-Headers"] = asked.get("Access-Control-Request-Headers", "*")
        return response

    return middleware


def _json_fields(request: web.Request, body: bytes) -> dict[str, Any]:
    """Top-level fields of a JSON body: other bindings' expressions may use them."""
    if request.content_type != "application/json" or not body:
        return {}
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def decode_request(request: web.Request, parameters: dict[str, str], body: bytes) -> Any:
    """The ``func.HttpRequest`` of an aiohttp request."""

    def texts(values: dict[str, str]) -> dict[str, meta.Datum]:
        return {name: meta.Datum(text, "string") for name, text in values.items()}

    value = {
        "method": meta.Datum(request.method, "string"),
        "url": meta.Datum(str(request.url), "string"),
        "headers": texts({name.lower(): text for name, text in request.headers.items()}),
        "query": texts(dict(request.query)),
        "params": texts(parameters),
        "body": meta.Datum(body, "bytes"),
    }
    return converter("httpTrigger").decode(meta.Datum(value, "http"), trigger_metadata=None)


def encode_response(function: LoadedFunction, outcome: Outcome) -> web.Response:
    """The HTTP response a function's result means; no result is 204."""
    value = outcome.result
    for binding in function.outputs():
        if binding.type == "http" and binding.name != "$return":
            value = outcome.outputs.get(binding.name, value)
    if value is None:
        return web.Response(status=204)
    datum = converter("http").encode(value, expected_type=None)
    if datum.type == "string":
        return web.Response(text=datum.value)
    parts = datum.value
    response = web.Response(status=int(parts["status_code"].value), body=parts["body"].value)
    for name, header in parts["headers"].items():
        if name.lower() not in ("content-length", "transfer-encoding"):
            response.headers[name] = header.value
    for cookie in parts["cookies"] or []:
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response


def blob_of_event(event: dict[str, Any]) -> tuple[str, str]:
    """Container and blob name of a BlobCreated event, from its subject or else its URL."""
    subject = str(event.get("subject") or "")
    marker, middle = "/containers/", "/blobs/"
    if marker in subject and middle in subject:
        container, _, blob = subject.partition(marker)[2].partition(middle)
        return container, blob
    segments = [unquote(part) for part in urlsplit(str(event["data"]["url"])).path.lstrip("/").split("/")]
    if segments[0].startswith("devstoreaccount"):
        segments = segments[1:]  # the emulator keeps the account in the path
    return segments[0], "/".join(segments[1:])
