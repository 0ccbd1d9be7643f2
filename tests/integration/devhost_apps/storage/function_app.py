# The SDK's decorators and contexts are untyped, as every app that uses them finds.
# pyright: basic, reportAttributeAccessIssue=false, reportOptionalSubscript=false, reportOptionalMemberAccess=false
"""Every storage trigger and binding the host offers; functions report what they saw as lines in a file."""

import json
import os
import time
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import azurefunctions.extensions.bindings.blob as blob

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
SEEN = Path(os.environ["EFFECTS_DIR"]) / "seen.jsonl"


def saw(event: str, **facts: Any) -> None:
    with SEEN.open("a") as file:
        file.write(json.dumps({"event": event, **facts}) + "\n")


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%-orders", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="receipts", queue_name="%PREFIX%-receipts", connection="Storage")
@app.blob_output(arg_name="copy", path="%PREFIX%-out/{id}.json", connection="AzureWebJobsStorage")
def take_order(
    msg: func.QueueMessage, receipts: func.Out[str], copy: func.Out[str], context: func.Context
) -> None:
    order = msg.get_json()
    saw("order", id=order["id"], count=msg.dequeue_count, message=msg.id, function=context.function_name)
    if order.get("fail"):
        raise RuntimeError("this order fails")
    time.sleep(order.get("seconds", 0))
    receipts.set(json.dumps({"receipt": order["id"]}))
    copy.set(msg.get_body().decode())


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%-receipts", connection="AzureWebJobsStorage")
async def take_receipt(msg: func.QueueMessage) -> None:
    saw("receipt", body=msg.get_json())


@app.blob_trigger(arg_name="stream", path="%PREFIX%-in/text/{name}.{ext}", connection="AzureWebJobsStorage")
def read_blob(stream: func.InputStream) -> None:
    saw("blob", name=stream.name, length=stream.length, text=stream.read().decode(), metadata=stream.metadata)


@app.blob_trigger(arg_name="client", path="%PREFIX%-in/video/{name}.mp4", connection="AzureWebJobsStorage")
def see_video(client: blob.BlobClient) -> None:
    saw("video", blob=client.blob_name, size=client.get_blob_properties().size)


@app.blob_trigger(arg_name="stream", path="%PREFIX%-in/poison/{name}", connection="AzureWebJobsStorage")
def refuse_blob(stream: func.InputStream) -> None:
    saw("refused", name=stream.name)
    raise ValueError("this blob is never accepted")


@app.blob_trigger(
    arg_name="client",
    path="%PREFIX%-grid/{name}",
    connection="AzureWebJobsStorage",
    source=func.BlobSource.EVENT_GRID,
)
def from_event_grid(client: blob.BlobClient) -> None:
    saw("grid", blob=client.blob_name)


@app.timer_trigger(arg_name="timer", schedule="*/1 * * * * *", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    saw("tick", past_due=timer.past_due)


@app.route(route="items/{id:int}/{part?}", methods=["GET"])
def get_item(req: func.HttpRequest) -> func.HttpResponse:
    body = {"id": req.route_params["id"], "part": req.route_params.get("part"), "q": req.params.get("q")}
    return func.HttpResponse(
        json.dumps(body), status_code=201, headers={"x-kind": "item"}, mimetype="application/json"
    )


@app.route(route="orders", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="%PREFIX%-orders", connection="AzureWebJobsStorage")
def post_order(req: func.HttpRequest, out: func.Out[list[str]]) -> str:
    orders = req.get_json()
    out.set([json.dumps(order) for order in orders])
    return f"{len(orders)} queued"


@app.route(route="copies/{id}")
@app.blob_input(arg_name="copy", path="%PREFIX%-out/{id}.json", connection="AzureWebJobsStorage")
async def get_copy(req: func.HttpRequest, copy: func.InputStream) -> func.HttpResponse:
    return func.HttpResponse(copy.read() if copy else b"none", status_code=200 if copy else 404)


@app.route(route="broken")
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("broken on purpose")


@app.route(route="exit")
def leave(req: func.HttpRequest) -> func.HttpResponse:
    raise SystemExit(3)


@app.route(route="echo/{*path}", methods=["GET", "POST", "PUT"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    headers = {"path": req.route_params.get("path", ""), "x-got": req.headers.get("X-Sent", "")}
    return func.HttpResponse(req.get_body(), headers=headers, mimetype="application/octet-stream")


@app.route(route="nothing")
async def nothing(req: func.HttpRequest) -> None:
    return None


@app.route(route="starters/{name}")
@app.durable_client_input(client_name="starter")
async def starter(req: func.HttpRequest, starter: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await starter.start_new(req.route_params["name"])
    return starter.create_check_status_response(req, instance_id)


@app.orchestration_trigger(context_name="context")
def tiny(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("double", 21))


@app.activity_trigger(input_name="number")
def double(number: int) -> int:
    return 2 * number
