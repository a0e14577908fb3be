"""Declared types: what a file may say, what is wrong with one, and what a schema lets through."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from job_engine.api.acl import COLLECTIONS, USER
from job_engine.api.declared_types import BYTES_LIMIT, NUVLA, read
from job_engine.api.types import TYPES
from job_engine.job.errors import Invalid, JobEngineError
from tests.unit.api.server import InProcess

SENSOR = """
[sensor]
add = ["group/gardeners"]
schema = "sensor.json"

[sensor.operations]
calibrate = "calibrate_sensor"

[sensor.bulk]
recalibrate = "recalibrate_sensors"
"""
SCHEMA = {
    "type": "object",
    "required": ["serial"],
    "properties": {
        "serial": {"type": "string", "pattern": "^[0-9]+$"},
        "place": {"type": "object", "properties": {"row": {"type": "integer"}}},
        "name": {"type": "string"},
    },
    "additionalProperties": False,
}
Open = Callable[..., InProcess]

GARDENER = {"nuvla-authn-info": "user/ann user/ann group/nuvla-user group/gardeners"}
SOMEBODY = {"nuvla-authn-info": "user/bob user/bob group/nuvla-user"}


@pytest.fixture
def api_at() -> Iterator[Open]:
    """Opens an API on a folder, which may be one that another has closed."""
    loop = asyncio.new_event_loop()
    opened: list[InProcess] = []

    def open_(folder: Path, **settings: Any) -> InProcess:
        folder.mkdir(exist_ok=True)
        opened.append(InProcess(loop, folder, **settings))
        return opened[-1]

    yield open_
    if opened:
        opened[-1].close()
    loop.close()


def write(folder: Path, text: str, schema: Any = SCHEMA) -> Path:
    file = folder / "types.toml"
    file.write_text(text)
    (folder / "sensor.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sensor", "is not TOML: "),
        ("sensor = 1", "sensor stands outside of a type; write it below a line such as [sensor]"),
        ("[Sensor]", "[Sensor] is no name of a type"),
        ("[sensor]\ncolour = 1", "[sensor] has 'colour', which no type has; a type has add, schema, operations, bulk"),
        (
            "[sensor]\nadd = 'everybody'",
            """[sensor] has add = 'everybody'; write claims such as ["group/nuvla-user"]""",
        ),
        ("[sensor]\nadd = ['everybody']", "[sensor] has add = 'everybody'; write claims"),
        ("[sensor]\nadd = [1]", "[sensor] has add = '1'; write claims"),
        ("[sensor]\nschema = 1", "[sensor] has schema = '1'; write a table, or the name of a JSON file"),
        ("[sensor]\nschema = 'none.json'", "none.json (--types): No such file or directory"),
        ("[sensor]\nschema = {type = 'text'}", "[sensor] is no JSON Schema: "),
        ("[sensor]\nschema = {pattern = '(a)\\1'}", "[sensor] is no JSON Schema: "),
        ("[sensor]\nschema = {'$ref' = 'http://localhost:1/x'}", "http://localhost:1/x is elsewhere; copy what it has"),
        ("[sensor]\nschema = {const = 2026-12-01}", "[sensor] is no JSON Schema: "),
        ("[sensor]\noperations = ['x']", "[sensor] has operations = "),
        ("[sensor.operations]\nx = 1", "[sensor] has operations = 'x = 1'; write names with their actions"),
        ("[sensor.operations]\nX = 'x'", "[sensor] has operations with the name 'X'"),
        ("[sensor.bulk]\nx = 'a b'", "[sensor] has bulk = 'x = a b'; write names with their actions"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(Invalid) as caught:
        read([file])
    message = str(caught.value)
    assert said in message
    assert str(tmp_path) in message
    assert "\n" not in message


@pytest.mark.parametrize(("schema", "said"), [("{", "sensor.json is not JSON: "), ("[]", "has schema = '[]'")])
def test_what_is_wrong_with_the_file_of_a_schema_is_said(tmp_path: Path, schema: str, said: str) -> None:
    with pytest.raises(Invalid, match=r"\[sensor\]") as caught:
        read([write(tmp_path, SENSOR, schema)])
    assert said in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.toml", tmp_path / "binary.toml"
    large.write_bytes(b"#" * (BYTES_LIMIT + 1))
    binary.write_bytes(b"\xff")
    for file, said in ((tmp_path / "none.toml", "No such file"), (large, "bytes"), (binary, "UTF-8")):
        with pytest.raises(Invalid, match=said):
            read([file])


def test_a_type_is_declared_once(tmp_path: Path) -> None:
    file = write(tmp_path, "[nuvlabox]")
    with pytest.raises(Invalid, match=r"\[nuvlabox\] is in .*types.toml too"):
        read([file, NUVLA])


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_names_of_the_engines_own_types_are_taken(api_at: Open, tmp_path: Path, name: str) -> None:
    types = read([write(tmp_path, f"[{name}]")])
    with pytest.raises(JobEngineError, match=rf"types.toml: \[{name}\] is a type of the engine itself"):
        api_at(tmp_path / "data", types=types)


def test_nuvlas_types_are_open_to_every_user() -> None:
    types = read([NUVLA])
    assert {"deployment", "nuvlabox", "module"} <= types.keys()
    assert not types.keys() & {*TYPES, *COLLECTIONS}
    assert {type_.add for type_ in types.values()} == {(USER,)}
    assert types["deployment"].bulk["bulk-force-delete"] == "bulk_force_delete_deployment"


def test_a_type_of_an_operators_own(api_at: Open, tmp_path: Path) -> None:
    api = api_at(tmp_path / "data", types=read([write(tmp_path, SENSOR)]))
    sent = {"serial": "17", "place": {"row": 2}, "id": "sensor/mine"}
    assert api.call("POST", "/api/sensor", sent, SOMEBODY)[0] == 403
    status, answer = api.call("POST", "/api/sensor", sent, GARDENER)
    assert status == 201
    id_ = answer["resource-id"]
    found = api.call("GET", f"/api/{id_}", None, GARDENER)[1]
    assert [operation["rel"] for operation in found["operations"]] == ["edit", "delete", "calibrate"]
    mine = api.call("GET", "/api/sensor?filter=place/row=2", None, GARDENER)[1]
    assert (mine["count"], mine["acl"]["add"]) == (1, ["group/gardeners"])
    assert [operation["rel"] for operation in mine["operations"]] == ["add"]
    assert "operations" not in api.call("GET", "/api/sensor", None, SOMEBODY)[1]
    job = api.call("POST", f"/api/{id_}/calibrate", None, GARDENER)[1]["location"]
    assert api.call("GET", f"/api/{job}")[1]["action"] == "calibrate_sensor"
    status, answer = api.call("PATCH", "/api/sensor/recalibrate", {"filter": "place/row=2"}, {**GARDENER, "bulk": "x"})
    assert status == 202
    assert api.call("GET", f"/api/{answer['location']}")[1]["action"] == "recalibrate_sensors"
    assert "sensor" in api.call("GET", "/api/cloud-entry-point")[1]["collections"]
    assert api.call("GET", "/api/nuvlabox")[0] == 405


PATCH = {**GARDENER, "content-type": "application/json-patch+json"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "where"),
    [
        ("POST", "sensor", {}, GARDENER, "required"),
        ("POST", "sensor", {"serial": "x"}, GARDENER, "serial"),
        ("POST", "sensor", {"serial": "1", "place": {"row": "x" * 9000}}, GARDENER, "place.row"),
        ("POST", "sensor", {"serial": "1", "other": 1}, GARDENER, "additionalProperties"),
        ("PUT", "ID", {"serial": "x"}, GARDENER, "serial"),
        ("PUT", "ID", {"other": 1}, GARDENER, "additionalProperties"),
        ("PUT", "ID?select=serial", {}, GARDENER, "required"),
        ("PUT", "ID", [{"op": "remove", "path": "/serial"}], PATCH, "required"),
        ("PUT", "ID", [{"op": "add", "path": "/place/row", "value": "x"}], PATCH, "place.row"),
    ],
)
def test_a_document_that_its_schema_refuses_is_not_written(
    api_at: Open,
    tmp_path: Path,
    method: str,
    path: str,
    body: Any,
    headers: dict[str, str],
    where: str,
) -> None:
    api = api_at(tmp_path / "data", types=read([write(tmp_path, SENSOR)]))
    id_ = api.call("POST", "/api/sensor", {"serial": "17", "place": {}}, GARDENER)[1]["resource-id"]
    before = api.call("GET", f"/api/{id_}", None, GARDENER)
    status, answer = api.call(method, f"/api/{path.replace('ID', id_)}", body, headers)
    assert (status, len(answer["message"]) < 400) == (400, True)
    assert f"attribute {where!r} does not satisfy defined schema: " in answer["message"]
    assert api.call("GET", f"/api/{id_}", None, GARDENER) == before
    assert api.call("GET", "/api/sensor")[1]["count"] == 1


def test_an_edit_that_the_schema_lets_through(api_at: Open, tmp_path: Path) -> None:
    api = api_at(tmp_path / "data", types=read([write(tmp_path, SENSOR)]))
    acl = {"owners": ["user/ann"], "edit-meta": ["user/bob"]}
    id_ = api.call("POST", "/api/sensor", {"serial": "17", "acl": acl}, GARDENER)[1]["resource-id"]
    status, document = api.call("PUT", f"/api/{id_}", {"place": {"row": 1}, "created": 1}, GARDENER)
    assert (status, document["place"], document["serial"]) == (200, {"row": 1}, "17")
    status, document = api.call("PUT", f"/api/{id_}", [{"op": "remove", "path": "/place"}], PATCH)
    assert (status, "place" in document) == (200, False)
    # what the caller may not change is ignored, and so is not held against the schema
    status, document = api.call("PUT", f"/api/{id_}", {"name": "n", "serial": "x"}, SOMEBODY)
    assert (status, document["name"]) == (200, "n")
    assert api.call("GET", f"/api/{id_}", None, GARDENER)[1]["serial"] == "17"


def test_documents_of_types_that_are_not_served_any_more_stay(
    api_at: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = api_at(tmp_path / "data")
    id_ = api.call("POST", "/api/nuvlabox", {"name": "edge"})[1]["resource-id"]
    api.call("POST", "/api/module", {})
    api.close()
    with caplog.at_level(logging.WARNING):
        api = api_at(tmp_path / "data", types={})
    assert "documents of types that are not served: module, nuvlabox;" in caplog.text
    assert api.call("GET", f"/api/{id_}")[0] == 405
    api.close()
    assert api_at(tmp_path / "data").call("GET", f"/api/{id_}")[1]["name"] == "edge"
