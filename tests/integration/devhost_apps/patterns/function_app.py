# The SDK's decorators and contexts are untyped, as every app that uses them finds.
# pyright: basic, reportAttributeAccessIssue=false, reportOptionalSubscript=false, reportOptionalMemberAccess=false
"""Every Durable pattern the host must carry, over the same API surface as Microsoft's samples."""

import json
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
EFFECTS = Path(os.environ.get("EFFECTS_DIR", "."))


@app.route(route="orchestrators/{functionName}/{instanceId?}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    name, wanted = req.route_params["functionName"], req.route_params.get("instanceId")
    payload = json.loads(req.get_body()) if req.get_body() else None
    try:
        instance_id = await client.start_new(name, wanted, payload)
    except Exception as error:
        return func.HttpResponse(f"refused: {error}", status_code=409)
    return client.create_check_status_response(req, instance_id)


@app.route(route="wait/{functionName}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_and_wait(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    payload = json.loads(req.get_body()) if req.get_body() else None
    instance_id = await client.start_new(req.route_params["functionName"], client_input=payload)
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id, 20000, 50)


@app.route(route="client/{operation}/{instanceId}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def client_call(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """One call of the SDK's client per operation, so that a test can drive them all."""
    operation, instance_id = req.route_params["operation"], req.route_params["instanceId"]
    answer: object = None
    if operation == "event":
        await client.raise_event(instance_id, req.params["name"], json.loads(req.get_body() or "null"))
    elif operation == "purge":
        answer = (await client.purge_instance_history(instance_id)).instances_deleted
    elif operation == "restart":
        answer = await client.restart(instance_id)
    elif operation == "status":
        status = await client.get_status(instance_id, show_history=True, show_history_output=True)
        answer = status.to_json() if status else None
    elif operation == "list":
        states = await client.get_status_by(runtime_status=[df.OrchestrationRuntimeStatus.Completed])
        answer = {"all": len(await client.get_status_all()), "completed": [s.instance_id for s in states]}
    else:
        await getattr(client, operation)(instance_id, "asked by the test")
    return func.HttpResponse(json.dumps(answer), mimetype="application/json")


@app.route(route="hello")
def hello(req: func.HttpRequest) -> str:
    return "hello"


@app.orchestration_trigger(context_name="context")
def chaining(context: df.DurableOrchestrationContext):
    text = yield context.call_activity("append", {"text": "", "add": "a"})
    text = yield context.call_activity("append", {"text": text, "add": "b"})
    return (yield context.call_activity("append", {"text": text, "add": "c"}))


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext):
    count = context.get_input()["count"]
    context.set_custom_status({"wanted": count})
    results = yield context.task_all(
        [context.call_activity("leave_effect", {"run": context.instance_id, "n": n}) for n in range(count)]
    )
    return sum(results)


@app.orchestration_trigger(context_name="context")
def slow_fan_out(context: df.DurableOrchestrationContext):
    given = context.get_input()
    tasks = [
        context.call_activity("leave_effect", {"run": context.instance_id, "n": n, "seconds": given["seconds"]})
        for n in range(given["count"])
    ]
    done = yield context.task_all(tasks)
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=300))
    child = yield context.call_sub_orchestrator("chaining")
    return {"sum": sum(done), "child": child}


@app.orchestration_trigger(context_name="context")
def retrying(context: df.DurableOrchestrationContext):
    options = df.RetryOptions(50, context.get_input()["attempts"])
    return (yield context.call_activity_with_retry("fail_twice", options, context.instance_id))


@app.orchestration_trigger(context_name="context")
def rewindable(context: df.DurableOrchestrationContext):
    child = yield context.call_sub_orchestrator("chaining")
    return [child, (yield context.call_activity("fail_twice", context.instance_id))]


@app.orchestration_trigger(context_name="context")
def failing(context: df.DurableOrchestrationContext):
    yield context.call_activity("always_fail", "boom")
    return "unreachable"


@app.orchestration_trigger(context_name="context")
def catching(context: df.DurableOrchestrationContext):
    try:
        yield context.call_sub_orchestrator("failing", None, f"{context.instance_id}:child")
    except Exception as error:
        return f"caught {error}"
    return "unreachable"


@app.orchestration_trigger(context_name="context")
def event_or_timer(context: df.DurableOrchestrationContext):
    seconds = context.get_input()["seconds"]
    deadline = context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
    approval = context.wait_for_external_event("approval")
    winner = yield context.task_any([approval, deadline])
    if winner == approval:
        deadline.cancel()
        return {"approved": approval.result}
    return {"approved": None}


@app.orchestration_trigger(context_name="context")
def counting(context: df.DurableOrchestrationContext):
    given = context.get_input()
    yield context.call_activity("append", {"text": "", "add": "x"})
    if given["left"] == 0:
        return given["done"]
    context.continue_as_new({"left": given["left"] - 1, "done": given["done"] + 1})


@app.orchestration_trigger(context_name="context")
def parent(context: df.DurableOrchestrationContext):
    count = context.get_input()["count"]
    texts = yield context.task_all([context.call_sub_orchestrator("chaining") for _ in range(count)])
    return len([text for text in texts if text == "abc"])


@app.orchestration_trigger(context_name="context")
def waiting(context: df.DurableOrchestrationContext):
    first = yield context.wait_for_external_event("go:1")
    second = yield context.wait_for_external_event("go:2")
    return [first, second]


@app.orchestration_trigger(context_name="context")
def monitor(context: df.DurableOrchestrationContext):
    """The monitor pattern: poll until a condition or a deadline, sleeping on timers."""
    deadline = context.current_utc_datetime + timedelta(seconds=30)
    polls = 0
    while context.current_utc_datetime < deadline:
        polls += 1
        if (yield context.call_activity("poll", {"key": context.instance_id, "until": 3})):
            return polls
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=100))
    return -1


@app.orchestration_trigger(context_name="context")
def misspelt(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("no_such_activity", None))


@app.orchestration_trigger(context_name="context")
def entity_user(context: df.DurableOrchestrationContext):
    return (yield context.call_entity(df.EntityId("Counter", "one"), "get"))


@app.orchestration_trigger(context_name="context")
def no_yield(context: df.DurableOrchestrationContext):
    raise ValueError("refused at once")


@app.activity_trigger(input_name="given")
def append(given: dict) -> str:
    return given["text"] + given["add"]


@app.activity_trigger(input_name="given")
def leave_effect(given: dict) -> int:
    """Leaves one file per execution: re-runs are visible, lost work too."""
    time.sleep(given.get("seconds", 0))
    (EFFECTS / f"{given['run']}-{given['n']:04d}-{uuid.uuid4().hex}").touch()
    return given["n"]


@app.activity_trigger(input_name="key")
def fail_twice(key: str) -> int:
    attempt = len(list(EFFECTS.glob(f"{key}-attempt-*"))) + 1
    (EFFECTS / f"{key}-attempt-{attempt}").touch()
    if attempt <= 2:
        raise RuntimeError(f"attempt {attempt} fails")
    return attempt


@app.activity_trigger(input_name="reason")
def always_fail(reason: str) -> None:
    raise ValueError(reason)


@app.activity_trigger(input_name="given")
async def poll(given: dict) -> bool:
    seen = len(list(EFFECTS.glob(f"{given['key']}-poll-*"))) + 1
    (EFFECTS / f"{given['key']}-poll-{seen}").touch()
    return seen >= given["until"]
