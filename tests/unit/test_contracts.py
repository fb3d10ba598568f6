"""docs/contracts.md says what is so: commands, exit codes, and the fields of every answer, there and in `meshtui schema`."""

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from meshtui.cli import command
from meshtui.cli.commands.schema import schema_of
from meshtui.cli.expectations import _FIELDS, read_expectations
from meshtui.cli.registry import commands
from meshtui.cli.schemas import SCHEMAS
from meshtui.cli.schemas.changes import ShiftLine
from meshtui.cli.schemas.flows import Decider, LayerWord, Pair, Read, Word
from meshtui.engine.expect.verification import OUTCOMES
from meshtui.model.verdict import CONNECTED, NOT_SETTLED, UNKNOWN
from tests.commands_guide import filled

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contracts.md"
TEXT = PAGE.read_text("utf-8")
SHARED = {
    "Decider": "#decider",
    "FlowLine": "#flow",
    "Source": "#flow",
    "Destination": "#flow",
    "Http": "#flow",
    "Predicted": "#predict",
    "Pair": "#a-pair",
    "ShiftLine": "#a-shift",
    "Read": "#what-was-read",
}
"""Parts of several answers, and the section that has their fields."""
OWN_SECTIONS = {"Decider": Decider, "A pair": Pair, "A shift": ShiftLine, "What was read": Read}


def section(title):
    """A section's text, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[1]


def named(title):
    """The fields that a section names, each with what it says of it."""
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| (.*) \|$", section(title), re.MULTILINE)
    assert len(dict(rows)) == len(rows), "a field is there twice"
    return dict(rows)


def fields(schema, part, path="", top=True, inside=frozenset()):
    """Every field of a schema by its path; the value is the shared part that it refers to, or empty."""
    found = {}
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        if name in SHARED and not top and name not in inside:
            return {path: name}
        part = schema["$defs"][name]
    for choice in part.get("anyOf", ()):
        found |= fields(schema, choice, path, top, inside)
    if "items" in part and isinstance(part["items"], dict):
        below = fields(schema, part["items"], path if top else f"{path}[]", top, inside)
        found |= {name.removesuffix("[]") if name == f"{path}[]" else name: shared for name, shared in below.items()}
    for name, value in part.get("properties", {}).items():
        whole = f"{path}.{name}".lstrip(".")
        below = fields(schema, value, whole, top=False, inside=inside)
        found |= {whole: below.get(whole, "")} | below
    return found


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_fields_of_an_answer_are_those_of_its_schema(name):
    schema = schema_of(name)
    inside = frozenset({"Source", "Destination", "Http"}) if name == "flow" else frozenset()
    expected, said = fields(schema, schema, inside=inside), named(name)
    assert set(said) == set(expected)
    for field, shared in expected.items():
        assert not shared or f"({SHARED[shared]})" in said[field], f"{field} has no link to the fields of {shared}"


@pytest.mark.parametrize("title", OWN_SECTIONS)
def test_the_fields_of_a_shared_part_are_those_of_its_type(title):
    (part,), components = msgspec.json.schema_components([OWN_SECTIONS[title]], ref_template="#/$defs/{name}")
    schema = {**part, "$defs": components}
    expected, said = fields(schema, schema), named(title)
    assert set(said) == set(expected)
    assert all(not shared or f"({SHARED[shared]})" in said[field] for field, shared in expected.items())


def test_every_answer_has_a_section_and_every_section_an_answer():
    answers = TEXT[TEXT.index("\n## JSON answers\n") : TEXT.index("\n## Where the gateway is\n")]
    assert set(re.findall(r"^### (.*)$", answers, re.MULTILINE)) == {*SCHEMAS, "A pair", "A shift", "What was read"} - {"flow"}


def documents(text):
    """The JSON documents of a section: one, or one after the other."""
    for block in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        rest = block.strip()
        while rest:
            document, end = json.JSONDecoder().raw_decode(rest)
            yield document
            rest = rest[end:].lstrip()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_example_is_valid_and_has_no_field_that_the_schema_lacks(name):
    schema = schema_of(name)
    found = list(documents(section(name)))
    assert found
    for document in found:
        jsonschema.validate(document, schema)
        known = {field.replace("[]", "") for field in fields(schema, schema, inside=frozenset(SHARED))}
        assert {path for path in paths(document) if not path.startswith(FREE.get(name, ()))} <= known


FREE = {"flow": ("http.headers.", "jwt.claims.")}
"""Objects whose fields are anybody's."""


def paths(document, path=""):
    """The path of every field of a document."""
    if isinstance(document, list):
        return {name for item in document for name in paths(item, path)}
    if not isinstance(document, dict):
        return set()
    found = set()
    for name, value in document.items():
        whole = f"{path}.{name}".lstrip(".")
        found |= {whole} | paths(value, whole)
    return found


def test_the_decider_in_the_page_is_one():
    (found,) = documents(section("Decider"))
    assert msgspec.to_builtins(msgspec.convert(found, Decider)) == found


def test_what_was_read_in_the_page_is_that():
    (found,) = documents(section("What was read"))
    assert msgspec.to_builtins(msgspec.convert(found, Read)) == found


def test_commands_and_their_exit_codes_are_those_of_the_registry():
    assert filled(TEXT) == TEXT, "make docs writes them"
    for each in commands():
        assert f"| `meshtui {each.name}` |" in section("Commands")
        assert f"| `{each.name}` |" in section("Exit codes")


def test_the_exit_codes_are_those_of_the_program():
    said = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)}
    known = {value for name, value in vars(command).items() if name.isupper() and isinstance(value, int)}
    assert said == known
    assert {code for each in commands() for code in each.exits} <= said


def test_every_word_is_named():
    text = section("Words")
    words = {*Word.__args__, *LayerWord.__args__, *OUTCOMES, CONNECTED, NOT_SETTLED, UNKNOWN}
    assert {word for word in words if f"`{word}`" not in text} == set()


def test_the_expectations_file_in_the_page_can_be_read_and_its_fields_are_named():
    text = section("The expectations file")
    block = re.search(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    assert len(read_expectations("contracts.md", block.encode())) == 1
    assert all(f"`{name}`" in text for name in _FIELDS)


def test_what_the_code_cites_is_a_section():
    titles = set(re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE))
    for path in [*(ROOT / "meshtui").rglob("*.py"), *(ROOT / "screens").rglob("*.py")]:
        text = path.read_text("utf-8")
        for cited in re.findall(r"docs/contracts\.md(?:, ([^();.,]*))?", text):
            assert not cited or cited.strip() in titles, f"{path.name} cites {cited!r}"
        assert not re.search(r"[Cc]ontracts(?!\.md)", text.replace("import contracts", "")), (
            f"{path.name} says contracts without a section"
        )


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))))
def test_every_link_of_the_page_leads_somewhere(link):
    if link.startswith("#"):
        anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
        assert link[1:] in anchors
    else:
        assert (PAGE.parent / link).is_file()
