"""Every document has a schema and examples that hold; what is generated is what is committed."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from contracts.documents import DOCUMENTS, RAW_VALUES, Document, document
from contracts.generate import EXAMPLES, SCHEMAS, schema_of, stale

FILES = sorted(EXAMPLES.rglob("*.json"))


def _owner(path: Path) -> Document:
    folder = path.parent.relative_to(EXAMPLES)
    return document(str(folder))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_holds_in_schema_and_model(path: Path) -> None:
    """An example is what the schema says and what the model reads."""
    owner, text = _owner(path), path.read_text()

    Draft202012Validator(schema_of(owner)).validate(json.loads(text))
    owner.model.model_validate_json(text)


@pytest.mark.parametrize("owner", DOCUMENTS, ids=lambda owner: owner.name)
def test_what_a_model_writes_is_what_its_schema_says(owner: Document) -> None:
    """Each example, read and written again by the model, still fits the published (closed) schema."""
    validator = Draft202012Validator(schema_of(owner))
    for path in sorted((EXAMPLES / owner.examples_folder).glob("*.json")):
        model = owner.model.model_validate_json(path.read_text())
        for exclude_none in (False, True):
            validator.validate(json.loads(model.model_dump_json(by_alias=True, exclude_none=exclude_none)))


@pytest.mark.parametrize("owner", DOCUMENTS, ids=lambda owner: owner.name)
def test_every_document_has_an_example(owner: Document) -> None:
    """A document without an example cannot be tried by those who build against it."""
    assert list((EXAMPLES / owner.examples_folder).glob("*.json"))


def test_no_schema_or_example_is_without_a_document() -> None:
    """Files that no document owns would be promises that nobody keeps."""
    owned = {d.schema_file for d in DOCUMENTS} | {"topics.json"}

    assert {path.name for path in SCHEMAS.glob("*.json")} == owned
    assert {str(path.parent.relative_to(EXAMPLES)) for path in FILES} <= {d.examples_folder for d in DOCUMENTS}


@pytest.mark.parametrize("owner", DOCUMENTS, ids=lambda owner: owner.name)
def test_every_schema_is_a_valid_schema(owner: Document) -> None:
    """Other people's validators can load what we publish."""
    Draft202012Validator.check_schema(schema_of(owner))


def test_nothing_generated_is_stale() -> None:
    """What is committed is what the models say; `make schemas` repairs it."""
    assert [path.name for path in stale()] == []


@pytest.mark.parametrize("owner", [d for d in DOCUMENTS if d.name != "tip-submission/1"], ids=lambda owner: owner.name)
def test_consumers_ignore_fields_of_a_newer_version(owner: Document) -> None:
    """A field that a later version adds does not stop a reader of today."""
    path = min((EXAMPLES / owner.examples_folder).glob("*.json"))
    body = json.loads(path.read_text()) | {"field_of_tomorrow": {"a": 1}}

    assert owner.model.model_validate_json(json.dumps(body)) == owner.model.model_validate_json(path.read_text())


def test_a_submission_with_an_unknown_field_is_refused() -> None:
    """Only intake refuses unknown fields: a misspelt one would lose what a reporter said."""
    body = {"reference": "E-1", "kind": "csam", "narative": "misspelt"}

    with pytest.raises(ValidationError, match="narative"):
        document("tip-submission/1").model.model_validate_json(json.dumps(body))


def test_an_unknown_document_is_not_found() -> None:
    """A name that the contract does not have is an error, not a guess."""
    with pytest.raises(KeyError):
        document("tip-received/99")
    assert "state" in RAW_VALUES
