"""HTTP answers: JSON, and RFC 9457 problem details with stable codes."""

import json
from collections.abc import Mapping

import azure.functions as func


def answer(body: Mapping[str, object], status: int = 200) -> func.HttpResponse:
    """Return a JSON answer."""
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")


def problem(status: int, code: str, title: str, detail: str | None = None) -> func.HttpResponse:
    """Return problem details. `code` is stable and for machines; `title` and `detail` say what to change."""
    body: dict[str, object] = {
        "type": f"https://fanreel.example/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    if detail is not None:
        body["detail"] = detail
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/problem+json")


def bad_id(what: str) -> func.HttpResponse:
    """Return the answer to an id that cannot be one."""
    return problem(
        400,
        "bad_id",
        f"This is not a valid {what}.",
        "1 to 63 letters, digits, - and _, not starting with a sign.",
    )


def not_found(what: str) -> func.HttpResponse:
    """Return the answer to an id nothing is known by."""
    return problem(404, "not_found", f"There is no such {what}.")
