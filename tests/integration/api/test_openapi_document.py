"""The OpenAPI document is valid, says what is needed, and its examples work."""

import jsonschema
import pytest

from api.app import create_api

EXAMPLE_SITE = ("usti-belehradska", "belehradska")


@pytest.fixture
def document(settings):
    return create_api(settings).openapi()


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["security"] == [{"bearer": []}, {"header": []}]
    assert document["paths"]["/v1/health"]["get"]["security"] == []


def test_every_schema_is_one(document):
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document):
    def references(part):
        if isinstance(part, dict):
            yield from (value for key, value in part.items() if key == "$ref")
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                yield from references(each)

    found = set(references(document))
    assert "#/components/schemas/Problem" in found
    for reference in found:
        target = document
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]


def test_every_route_refuses_with_problem_details(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            refused = operation["responses"]["422"]["content"]
            assert list(refused) == ["application/problem+json"], path
            assert operation["operationId"]
            assert operation["summary"]


def test_nothing_but_dead_letters_can_be_changed_and_only_devices_are_asked(document):
    asked = {"/v1/devices/{pilot}/{device}/commands": ["get", "post"]}
    for path, operations in document["paths"].items():
        if not path.startswith("/v1/dead-letters"):
            assert list(operations) == asked.get(path, ["get"]), path


async def test_examples_can_be_asked(api, document, database, plan):
    from storage.registry import register_site  # noqa: PLC0415

    pilot, name = EXAMPLE_SITE
    moved = plan.model_copy(update={"pilot": pilot, "id": name})
    register_site(database, moved)
    asked = 0
    async with api.client() as client:
        for path, operations in document["paths"].items():
            if path.startswith("/v1/dead-letters"):  # needs a scope
                continue
            parameters = operations["get"].get("parameters", [])
            examples = {p["name"]: _example(p) for p in parameters if _example(p) is not None}
            needed = {p["name"] for p in parameters if p["required"]}
            if path == "/v1/live" or not needed <= examples.keys():
                continue
            within = [p["name"] for p in parameters if p["in"] == "path"]
            address = path.format(**{name: examples[name] for name in within})
            query = {name: value for name, value in examples.items() if name not in within}
            answer = await client.get(address, params=query)
            expected = 404 if "{device}" in path or "{value}" in path else 200
            assert answer.status_code == expected, (address, answer.text)
            asked += 1
    assert asked >= 8


def _example(parameter):
    examples = parameter["schema"].get("examples") or parameter.get("examples") or [None]
    return examples[0]
