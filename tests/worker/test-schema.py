#!/usr/bin/env python3
"""JSON schemas and their grammars, against a validator (python3-jsonschema): texts made at random under the grammar of a schema are
valid, valid documents are read by it, invalid ones are not, and what is not supported is refused by name.

Usage: test-schema.py SCHEMA_TOOL [--corpus]        --corpus prints the schemas as JSON, for other validators"""
import datetime
import json
import subprocess
import sys
import tempfile
import uuid

import tap

try:
    import jsonschema
except ImportError:
    jsonschema = None

TOOL = sys.argv[1]
SAMPLES = 25

LIST = {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
    "value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value", "next"], "additionalProperties": False}}}
TREE = {"type": "array", "items": {"$ref": "#"}, "maxItems": 3}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}, "mail": {"type": "string"}},
          "required": ["name"], "additionalProperties": False}
SHAPES = {"oneOf": [
    {"type": "object", "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}}, "required": ["kind", "r"]},
    {"type": "object", "properties": {"kind": {"const": "square"}, "a": {"type": "number"}}, "required": ["kind", "a"]}]}

# name: (schema, documents that must be read, documents that must not)
CORPUS = {
    "true": (True, [1, "x", None, {"a": [1]}, [[]]], []),
    "empty": ({}, [1.5, "\u00e9\n\"", {"a": {}}], []),
    "object": ({"type": "object"}, [{}, {"a": 1, "b": [True, None]}], [1, []]),
    "string": ({"type": "string"}, ["", "a\u00e9\U0001f600\\\"\t\x7f/"], [1, None]),
    "integer": ({"type": "integer"}, [0, -1, 2**63 - 1, -2**63], [1.5, "1"]),
    "number": ({"type": "number"}, [0, -1.5, 1e10, 1e-07, 1.7e200], ["1", None]),
    "boolean": ({"type": "boolean"}, [True, False], [0, None]),
    "null": ({"type": "null"}, [None], [0, False]),
    "type list": ({"type": ["string", "null"]}, ["a", None], [1]),
    "integer or number": ({"type": ["integer", "number"]}, [1, 1.5], ["a"]),
    "enum": ({"enum": ["red", "\u00e9\n", 1, 1.5, None, True, {"a": [1, {"b": "c"}]}, []]},
             ["red", "\u00e9\n", 1, 1.5, None, True, {"a": [1, {"b": "c"}]}, []], ["re", 2, False, {}]),
    "enum and type": ({"enum": ["a", 1, None], "type": ["string", "null"]}, ["a", None], [1]),
    "const": ({"const": "a\"b"}, ["a\"b"], ["a"]),
    "const null": ({"const": None}, [None], [0]),
    "person": (PERSON, [{"name": "x"}, {"name": "x", "mail": "y"}, {"name": "", "age": 3, "mail": ""}],
               [{}, {"name": 1}, {"name": "x", "other": 1}, {"name": "x", "age": -1}]),
    "optional": ({"type": "object", "properties": {k: {"type": "integer"} for k in "abcd"}, "additionalProperties": False},
                 [{}, {"a": 1}, {"d": 1}, {"b": 1, "d": 2}, {"a": 1, "b": 2, "c": 3, "d": 4}], [{"e": 1}, {"a": "x"}]),
    "additional schema": ({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}},
                          [{}, {"a": 1}, {"b": True}, {"a": 1, "ab": False, "": True}, {"\u00e9": True}], [{"a": True}, {"b": 1}]),
    "additional true": ({"type": "object", "properties": {"ab": {"const": 1}, "abc": {"const": 2}, "\u00e9\"": {"const": 3}},
                         "additionalProperties": True},
                        [{"a": 0}, {"ab": 1, "abc": 2, "abcd": 3}, {"abd": 3}, {"\u00e9": 4}, {"\U0001f600": 4, "\\": 1}],
                        [{"ab": 2}, {"abc": 1}, {"\u00e9\"": 4}]),
    "map": ({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}, [{}, {"x": [1, 2]}], [{"x": 1}]),
    "required only": ({"type": "object", "required": ["a", "b"]}, [{"a": 1, "b": 2}, {"a": [], "b": {}, "c": 1}], [{"a": 1}, {"b": 1}]),
    "forbidden property": ({"type": "object", "properties": {"a": False, "b": {}}}, [{}, {"b": 1}, {"c": 1}], [{"a": 1}]),
    "no type": ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, [{"a": "x"}, 1, "x", [1]], [{}, {"a": 1}]),
    "items": ({"type": "array", "items": {"type": "integer"}}, [[], [1], [1, 2, 3]], [["a"], [1, "a"]]),
    "array": ({"type": "array"}, [[], [1, "a", None, [[]]]], [{}]),
    "minItems": ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [[True, False], [True] * 5], [[], [True]]),
    "maxItems": ({"type": "array", "items": {"type": "boolean"}, "maxItems": 2}, [[], [True], [True] * 2], [[True] * 3]),
    "one to three": ({"type": "array", "items": {"const": 1}, "minItems": 1, "maxItems": 3}, [[1], [1] * 3], [[], [1] * 4]),
    "maxItems 0": ({"type": "array", "maxItems": 0}, [[]], [[1]]),
    "tuple": ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 2},
              [[1, "a"]], [[1], [1, "a", 2], ["a", 1]]),
    "tuple and more": ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}, "minItems": 1,
                        "maxItems": 4}, [[1], [1, "a"], [1, "a", None], [1, "a", None, None]], [[], [1, "a", 1], [1, "a"] + [None] * 3]),
    "length": ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "\u00e9\U0001f600", "\n\"\\"], ["a", "abcd", ""]),
    "minLength": ({"type": "string", "minLength": 3}, ["abc", "abcd"], ["ab"]),
    "pattern": ({"type": "string", "pattern": "^[a-c]{2,3}-\\d+(x|yz)?$"}, ["ab-1", "abc-12yz"], ["a-1", "ab-", "ab-1xy"]),
    "pattern inside": ({"type": "string", "pattern": "b\\s?c"}, ["bc", "aab cd", "\u00e9bc\n"], ["b  c", "cb"]),
    "pattern classes": ({"type": "string", "pattern": "^(?:\\w|[^a-z\\n]|\\u00e9){1,4}$"}, ["a_Z9", "\u00e9!", "\""], ["", "\n", "aaaaa"]),
    "pattern ends": ({"type": "string", "pattern": "^a|b$"}, ["ax", "xb", "b"], ["xa", "bx"]),
    "pattern escapes": ({"type": "string", "pattern": "^\\x41\\t[\\-\\]\\\\]\\/\\.$"}, ["A\t-/.", "A\t\\/.", "A\t]/."], ["A\t-/x"]),
    "date": ({"type": "string", "format": "date"}, ["2024-02-29", "1999-12-31", "2000-02-29"],
             ["2023-02-29", "1900-02-29", "2024-13-01", "2024-04-31", "2024-1-1"]),
    "time": ({"type": "string", "format": "time"}, ["00:00:00Z", "23:59:59.123+02:00"], ["24:00:00Z", "12:60:00Z"]),
    "date-time": ({"type": "string", "format": "date-time"}, ["2024-02-29T12:00:00Z", "1999-01-01T00:00:00.5-11:30"], ["2024-02-30T12:00:00Z"]),
    "uuid": ({"type": "string", "format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000"]),
    "0 to 150": ({"type": "integer", "minimum": 0, "maximum": 150}, [0, 9, 10, 99, 100, 150], [-1, 151, 1000]),
    "-45 to 1203": ({"type": "integer", "minimum": -45, "maximum": 1203}, list(range(-45, 1204)), [-46, 1204, -100, 9999]),
    "-999 to -17": ({"type": "integer", "minimum": -999, "maximum": -17}, list(range(-999, -16)), [-16, 0, 17, -1000]),
    "exclusive": ({"type": "integer", "exclusiveMinimum": -1, "exclusiveMaximum": 3}, [0, 1, 2], [-1, 3]),
    "fractions": ({"type": "integer", "minimum": 0.5, "exclusiveMaximum": 2.5}, [1, 2], [0, 3]),
    "64 bits": ({"type": "integer", "minimum": -2**63, "maximum": 2**63 - 1}, [-2**63, 0, 2**63 - 1], [-2**63 - 1, 2**63]),
    "from": ({"type": "integer", "minimum": 123456}, [123456, 200000, 10**15], [123455, 0, -123456]),
    "up to": ({"type": "integer", "maximum": -5}, [-5, -10, -10**15], [-4, 0, 5]),
    "multipleOf": ({"type": "integer", "multipleOf": 7}, [0, 7, -14, 7 * 10**9], [1, -6, 8]),
    "multipleOf from 0": ({"type": "integer", "multipleOf": 5, "minimum": 0}, [0, 5, 100], [-5, 7]),
    "multipleOf between": ({"type": "integer", "multipleOf": 4, "minimum": -9, "maximum": 9}, [-8, -4, 0, 4, 8], [-12, 12, 2]),
    "number bounds": ({"type": "number", "minimum": 0, "maximum": 1}, [0, 1, 0.5, 0.999, 1.0], [-0.1, 1.1, 2]),
    "number between": ({"type": "number", "exclusiveMinimum": -3, "maximum": 12}, [-2.999, -1, 0, 11.5, 12, 12.0], [-3, -3.5, 12.5, 13]),
    "number above 0": ({"type": "number", "exclusiveMinimum": 0}, [0.001, 1, 100.25], [0, -1, 0.0]),
    "number below": ({"type": "number", "exclusiveMaximum": -2}, [-2.5, -3, -100], [-2, -2.0, 0]),
    "anyOf": ({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}]}, [1, "ab"], ["abc", None]),
    "anyOf beside": ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "additionalProperties": False,
                      "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}, {"a": 1, "b": 2}], [{}, {"a": "x"}]),
    "oneOf": (SHAPES, [{"kind": "circle", "r": 1}, {"kind": "square", "a": 2, "x": 1}], [{"kind": "circle"}, {"kind": "oval", "r": 1}]),
    "oneOf types": ({"oneOf": [{"type": "string"}, {"type": "null"}, {"enum": [1, 2]}]}, ["a", None, 2], [3, True]),
    "allOf": ({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                         {"properties": {"a": {"minimum": 3}, "b": {"type": "string"}}, "required": ["b"]}]},
              [{"a": 3, "b": "x"}, {"a": 4, "b": "", "c": 1}], [{"a": 2, "b": "x"}, {"a": 3}, {"b": "x"}]),
    "allOf closed": ({"allOf": [{"type": "object", "properties": {"a": {}}, "additionalProperties": False},
                                {"properties": {"a": {"type": "string"}, "b": {}}}]}, [{}, {"a": "x"}], [{"a": 1}, {"b": 1}]),
    "allOf numbers": ({"type": "integer", "allOf": [{"minimum": 3}, {"minimum": 5, "maximum": 9}, {"maximum": 7}]}, [5, 6, 7], [4, 8]),
    "$ref": ({"type": "array", "items": {"$ref": "#/$defs/a~1b%20c"}, "$defs": {"a/b c": {"type": "integer"}}}, [[], [1]], [["a"]]),
    "$ref beside": ({"$ref": "#/definitions/s", "maxLength": 3, "definitions": {"s": {"type": "string", "minLength": 2}}}, ["ab", "abc"], ["a", "abcd"]),
    "list": (LIST, [{"value": 1, "next": None}, {"value": 1, "next": {"value": 2, "next": None}}], [{"value": 1}, {"value": 1, "next": {}}]),
    "tree": (TREE, [[], [[], [[]]]], [[1], [[], [], [], []]]),
    "annotations": ({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "$comment": "c", "title": "t", "description": "d",
                     "default": 1, "examples": [1], "deprecated": True, "readOnly": False, "type": "integer", "x-order": 3}, [1], ["a"]),
    "harmless": ({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": False}}, "patternProperties": {}, "minProperties": 0,
                  "additionalProperties": False}, [{}, {"a": [1]}], [{"b": 1}]),
}

# schema: what the refusal says
REFUSED = [
    ({"properties": {"a": {"patternProperties": {"x": {}}}}}, "$.properties.a.patternProperties is not supported"),
    ({"not": {}}, "$.not is not supported"),
    ({"items": {"if": {}}}, "$.items.if is not supported"),
    ({"type": "array", "uniqueItems": True}, "$.uniqueItems is not supported"),
    ({"type": "array", "contains": {}}, "$.contains is not supported"),
    ({"minProperties": 1}, "$.minProperties is not supported"),
    ({"propertyNames": {"maxLength": 3}}, "$.propertyNames is not supported"),
    ({"dependentRequired": {"a": ["b"]}}, "$.dependentRequired is not supported"),
    ({"nullable": True}, "$.nullable is not supported"),
    ({"properties": {"x": {"$id": "y"}}}, "$.properties.x.$id is not supported"),
    ({"type": "string", "format": "email"}, "$.format \"email\" is not supported"),
    ({"type": "string", "pattern": "(?=a)"}, "$.pattern: look-around is not supported"),
    ({"type": "string", "pattern": "(a)\\1"}, "$.pattern: a back reference is not supported"),
    ({"type": "string", "pattern": "\\bword"}, "\\b and \\B are not supported"),
    ({"type": "string", "pattern": "\\p{L}"}, "\\p{...} is not supported"),
    ({"type": "string", "pattern": "a^b"}, "^ and $ are supported at the ends"),
    ({"type": "string", "pattern": "(a"}, "no closing parenthesis"),
    ({"type": "string", "pattern": "[a"}, "no closing bracket"),
    ({"type": "string", "pattern": "a", "maxLength": 3}, "only one of pattern, format and minLength"),
    ({"type": "number", "minimum": 0.5}, "$.minimum is not supported: it must be whole"),
    ({"type": "number", "multipleOf": 0.1}, "$.multipleOf is not supported for type number"),
    ({"type": "integer", "multipleOf": 7, "minimum": 5}, "$.multipleOf is not supported with these bounds"),
    ({"$ref": "https://example.org/x"}, "is not supported: only"),
    ({"$ref": "#/$defs/none"}, "leads nowhere"),
    ({"$ref": "#a", "$defs": {"x": {"$anchor": "a"}}}, "is not supported: only"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "$.oneOf is not supported here"),
    ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, "$.oneOf is not supported here"),
    ({"enum": ["a", "bc"], "maxLength": 1}, "$.maxLength is not supported beside enum"),
    ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "two different pattern"),
    ({"type": "strin"}, "$.type must be"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "allows no number"),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "allows no string"),
    ({"type": "array", "minItems": 3, "maxItems": 2}, "allows no array"),
    ({"type": "object", "required": ["a"], "additionalProperties": False}, "allows no object"),
    (False, "allows no value"),
    ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "allows no value"),
    ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "every way comes back"),
    ({"type": "string", "maxLength": 10**6}, "$.maxLength is not supported above"),
    ({"maxLength": -1}, "$.maxLength must be a whole number"),
    ([1], "must be a schema"),
]

def run(schema, *arguments):
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return subprocess.run([TOOL, *arguments], input=text.encode(), capture_output=True, timeout=60)


def texts_of(document):
    """The ways in which Python writes it."""
    return {json.dumps(document), json.dumps(document, separators=(",", ":")), json.dumps(document, ensure_ascii=False),
            json.dumps(document, indent=2)}


def verdicts(schema, documents):
    texts = [text for document in documents for text in sorted(texts_of(document))]
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(text.encode() + b"\0" for text in texts))
        file.flush()
        done = run(schema, "match", file.name)
    return list(zip(texts, done.stdout.decode().strip())), done.stderr.decode()


def check(schema, good, bad, validator):
    """What is wrong, line by line."""
    if validator:
        for document, expected in [(d, True) for d in good] + [(d, False) for d in bad]:
            if validator.is_valid(document) != expected:
                yield f"the validator does not share the test's opinion of {document!r}"
    for documents, allowed in ((good, True), (bad, False)):
        found, error = verdicts(schema, documents)
        if len(found) != sum(len(texts_of(document)) for document in documents):
            yield f"refused: {error.strip()}"
            return
        yield from (f"{text} is {verdict}" for text, verdict in found if (verdict == "y") != allowed)
    done = run(schema, "sample", str(SAMPLES), "7")
    samples = done.stdout.split(b"\0")[:-1]
    if len(samples) != SAMPLES or done.stderr:
        yield f"{len(samples)} samples: {done.stderr.decode()[:300]}"
    for sample in samples:
        document = json.loads(sample)
        if validator and not validator.is_valid(document):
            yield f"{sample.decode()} is not valid"


def format_checker():
    """What formats a validator knows depends on what else is installed; these come with Python."""
    checker = jsonschema.FormatChecker(formats=())
    day = datetime.date.fromisoformat
    checker.checks("date", raises=ValueError)(lambda text: len(text) == 10 and bool(day(text)))
    checker.checks("time", raises=ValueError)(lambda text: bool(datetime.time.fromisoformat(text).tzinfo))
    checker.checks("date-time", raises=ValueError)(lambda text: bool(datetime.datetime.fromisoformat(text).tzinfo))
    checker.checks("uuid", raises=ValueError)(lambda text: text.count("-") == 4 and bool(uuid.UUID(text)))
    return checker


def check_refusals():
    for schema, expected in REFUSED:
        done = run(schema, "grammar")
        if done.returncode != 2 or expected not in done.stderr.decode():
            yield f"{json.dumps(schema)}: {done.returncode} {done.stderr.decode().strip()!r}, expected {expected!r}"


def check_schema(schema, good, bad):
    if not jsonschema:
        problems = list(check(schema, good, bad, None))
        if problems:
            return problems
        raise tap.Skip("python3-jsonschema is not installed: only read, not validated")
    return check(schema, good, bad, jsonschema.Draft202012Validator(schema, format_checker=format_checker()))


def print_corpus():
    samples = {name: run(schema, "sample", str(SAMPLES), "9").stdout.split(b"\0")[:-1] for name, (schema, _, _) in CORPUS.items()}
    json.dump({name: [schema, [sample.decode() for sample in samples[name]]] for name, (schema, _, _) in CORPUS.items()}, sys.stdout)


def main():
    if "--corpus" in sys.argv:
        return print_corpus()
    return tap.run([*((name, check_schema, *row) for name, row in CORPUS.items()),
                    ("refusals name what is not supported", check_refusals)])


if __name__ == "__main__":
    sys.exit(main())
