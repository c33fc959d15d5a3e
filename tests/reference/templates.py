#!/usr/bin/python3
"""The chat templates' interpreter against Python's jinja2, set up as Hugging Face sets it up.

    templates.py RENDER-TEMPLATE [DIRECTORY]

RENDER-TEMPLATE is the program of render-template.c. The templates are those beside this file, and
those in DIRECTORY (*.jinja), if given; each is rendered with every conversation below, and both
must give the same bytes, or both refuse. Then come expressions, and random ones of a grammar.
"""

import datetime
import json
import os
import random
import subprocess
import sys
import warnings

import tap

try:
    import jinja2
    import jinja2.ext
    import jinja2.nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    tap.skip("python3-jinja2 is not there: chat templates are NOT compared with it")

from template_cases import CONVERSATIONS, EXPRESSIONS, STATEMENTS, VARIABLES

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1753540000  # some day in July 2025
MARK = "\u2623"  # stands in what the caller writes, and nowhere else
N_RANDOM = 2000


class Generation(jinja2.ext.Extension):
    """{% generation %}: its body is the assistant's, and printed as it is."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def strftime_now(form):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(form)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


warnings.simplefilter("ignore", SyntaxWarning)  # of the Python that jinja2 makes of nonsense
ENV = environment()


def expected(question):
    """(text, None) or (None, error)."""
    context = {name: question[name]
               for name in ("messages", "add_generation_prompt", "bos_token", "eos_token")}
    context.update(tools=question.get("tools"), documents=None)
    context.update(question.get("variables", {}))
    try:
        return ENV.from_string(question["template"]).render(**context), None
    except Exception as error:  # whatever Python raises, the template fails
        return None, f"{type(error).__name__}: {error}"


class Renderer:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"Bail out! the renderer died of {question['template']!r}")
        return json.loads(line)


def question(template, conversation):
    return {"template": template, "now": NOW, "bos_token": "<s>", "eos_token": "</s>",
            "add_generation_prompt": True, **conversation}


def difference(renderer, asked):
    """None, or how the two differ."""
    text, error = expected(asked)
    answer = renderer.ask(asked)
    if error is not None:
        if "error" not in answer:
            return f"jinja2 says {error}, here it is {answer['text']!r}"
        return None
    if "error" in answer:
        return f"here: {answer['error']}; jinja2: {text!r}"
    if answer["text"] != text:
        return f"\n  here   {answer['text']!r}\n  jinja2 {text!r}"
    if MARK in answer["trusted"]:
        return f"the caller's words are trusted: {answer['trusted']!r}"
    return None


def check_template(renderer, path):
    with open(path, encoding="utf-8", newline="") as file:
        source = file.read()
    n_rendered = 0
    for name, conversation in CONVERSATIONS.items():
        for variables in ({}, {"enable_thinking": False}):
            asked = question(source, {**conversation, "variables": variables})
            asked["add_generation_prompt"] = not variables
            problem = difference(renderer, asked)
            n_rendered += expected(asked)[0] is not None
            if problem:
                yield f"{name}: {problem}"
    tap.note(f"{n_rendered} rendered")
    if not n_rendered and os.path.dirname(path) == os.path.join(HERE, "templates"):
        yield "no conversation can be rendered"


def check_snippets(renderer, snippets):
    for snippet in snippets:
        problem = difference(renderer, question(snippet, {
            "messages": CONVERSATIONS["two turns"]["messages"], "variables": VARIABLES}))
        if problem:
            yield f"{snippet!r}: {problem}"


# ---- Random expressions ----

WORDS = ["''", "'a'", "' b c '", "'x,y,,z'", "'Hello World'", "'\u00e9\u00c9\u00df'", "'12'", "'1.5'", "'\\n\\t'", "s", "text"]
LISTS = ["[]", "[1, 2, 3]", "[3, 1, 2]", "['b', 'A', 'c']", "[[1, 2], [3]]", "nums", "words", "(1, 'x')"]
DICTS = ["{}", "{'a': 1, 'b': 2}", "{'b': 'x', 'A': 'y'}", "d", "{1: 'one', none: 2}"]
NUMBERS = ["0", "1", "-1", "2", "7", "3.0", "0.5", "-2.5", "1e20", "i", "f", "1e-7"]
OTHERS = ["none", "true", "false", "missing", "messages", "messages[0]", "people"]
TESTS = ["defined", "none", "string", "number", "mapping", "sequence", "iterable", "integer",
         "float", "boolean", "true", "false", "odd", "even", "divisibleby 2", "eq 1", "in nums"]
WORD_METHODS = ["strip()", "upper()", "lower()", "title()", "capitalize()", "split()",
                "split(',')", "split(',', 1)", "rsplit(',', 1)", "rsplit(none, 1)", "lstrip('ab')",
                "rstrip('dl ')", "replace('l', 'LL')", "replace('', '-')", "startswith('H')",
                "endswith(('d', 'c'))", "find('o')", "rfind('o')", "count('l')", "splitlines()",
                "partition(',')", "rpartition(' ')", "join(words)", "isdigit()", "isupper()",
                "islower()", "isalpha()", "isspace()", "removeprefix('He')", "removesuffix('c ')"]
FILTERS = ["trim", "upper", "lower", "title", "capitalize", "length", "first", "last", "string",
           "int", "float", "list", "tojson", "tojson(indent=2)", "default('D')",
           "default('D', true)", "join(', ')", "join", "sort", "sort(reverse=true)", "reverse|list",
           "unique|list", "sum", "min", "max", "abs", "round", "round(1)", "round(1, 'floor')",
           "replace('a', 'b')", "items|list", "dictsort", "map('string')|list",
           "map('upper')|join('-')", "select|list", "reject('odd')|list",
           "select('gt', 1)|list", "map(attribute='name')|list", "selectattr('age')|list",
           "batch(2)|list", "indent(2)", "indent(2, true)", "escape", "tojson(ensure_ascii=true)",
           "tojson(sort_keys=true)", "wordcount", "count", "safe"]


def random_expression(rng, depth):
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(rng.choice([WORDS, WORDS, LISTS, LISTS, DICTS, NUMBERS, NUMBERS, OTHERS]))

    def inner():
        return random_expression(rng, depth - 1)

    forms = [
        lambda: f"({inner()} {rng.choice(['+', '-', '*', '/', '//', '%'])} {inner()})",
        lambda: f"{rng.choice(NUMBERS)} ** {rng.choice(['0', '1', '2', '3', '-1'])}",
        lambda: f"{rng.choice(NUMBERS)} {rng.choice(['+', '-', '*', '/', '//', '%'])} {rng.choice(NUMBERS)}",
        lambda: f"({inner()} ~ {inner()})",
        lambda: f"({inner()} {rng.choice(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in'])} {inner()})",
        lambda: f"({inner()} {rng.choice(['and', 'or'])} {inner()})",
        lambda: f"(not {inner()})",
        lambda: f"({inner()} if {inner()} else {inner()})",
        lambda: f"{inner()}|{rng.choice(FILTERS)}",
        lambda: f"({inner()})|{rng.choice(FILTERS)}",
        lambda: f"({inner()}) is {rng.choice(TESTS)}",
        lambda: f"({inner()}) is not {rng.choice(TESTS)}",
        lambda: f"({inner()})[{rng.choice(['0', '-1', '1', '9', 'i', repr('a'), repr('name'), ':2', '1:', '::-1', '-2:', ':-1', '::2', '5:1:-1'])}]",
        lambda: f"({inner()}).{rng.choice(['a', 'b', 'name', 'items()', 'keys()|list', 'values()|list', 'get(1)', '0'])}",
        lambda: f"({rng.choice(WORDS)}).{rng.choice(WORD_METHODS)}",
        lambda: f"({rng.choice(WORDS)}).{rng.choice(WORD_METHODS)}",
        lambda: f"[{inner()}, {inner()}]",
        lambda: f"{{'k': {inner()}}}",
        lambda: f"-{rng.choice(NUMBERS)}",
    ]
    return rng.choice(forms)()


def random_template(rng):
    expression = random_expression(rng, rng.randint(1, 3))
    if rng.random() < 0.6:
        return "{{ " + expression + " }}"
    space = [rng.choice(["", " ", "\n", "  \n", "\n  "]) for _ in range(6)]
    sign = [rng.choice(["", "", "-", "+"]) for _ in range(8)]
    close = [rng.choice(["", "", "-"]) for _ in range(8)]
    return rng.choice([
        "x{0}{{%{s0} for v in {e} {c0}%}}{1}{{{{{c1} v {c2}}}}}{2}{{%{s1} endfor {c3}%}}{3}y",
        "x{0}{{%{s0} if {e} {c0}%}}{1}yes{2}{{%{s1} else {c1}%}}{3}no{4}{{%{s2} endif {c2}%}}{5}y",
        "x{0}{{%{s0} set v = {e} {c0}%}}{1}{{{{ v }}}}{2}{{#{c1} note {c2}#}}{3}{{{{ v|string }}}}",
        "{{% for v in {e} %}}{0}{{{{ loop.index }}}}/{{{{ loop.length }}}}{1}{{{{ loop.last }}}}"
        "{{% if not loop.first %}}{{{{ loop.previtem }}}}{{% endif %}}{2}{{% else %}}none{{% endfor %}}",
        "{{% for v in {e} if v %}}{{{{ v ~ loop.last }}}}{0}{{% if loop.index > 2 %}}{{% break %}}"
        "{{% endif %}}{{% endfor %}}",
        "{{% macro m(a, b={e}) %}}{0}[{{{{ a }}}}|{{{{ b }}}}]{1}{{% endmacro %}}{{{{ m(1) ~ m(2, 3) }}}}",
    ]).format(*space, e=expression, **{f"s{i}": sign[i] for i in range(8)},
              **{f"c{i}": close[i] for i in range(8)})


def is_endless(source):
    """A power of a power, or a text repeated a million times: Python would compute for long."""
    return source.count("**") > 1 or ("1e20" in source and "**" in source)


def is_beyond(text):
    """What is known to differ: integers of more than 64 bits, and the addresses of objects."""
    return text is not None and (" at 0x" in text or any(
        len(run) > 18 for run in "".join(c if c.isdigit() else " " for c in text).split()))


def check_random(renderer):
    seed = int(os.environ.get("SEED", "1"))
    rng = random.Random(seed)
    n_rendered = n_refused = 0
    for _ in range(int(os.environ.get("N_RANDOM", N_RANDOM))):
        asked = question(random_template(rng), {
            "messages": CONVERSATIONS["two turns"]["messages"], "variables": VARIABLES})
        if is_endless(asked["template"]):
            continue
        text, _ = expected(asked)
        if is_beyond(text) or "dict_" in (text or "") or "Markup" in (text or ""):
            continue
        problem = difference(renderer, asked)
        if problem and "can't be sliced" in problem:  # but constants, when jinja2 folds them
            continue
        if problem:
            yield f"{asked['template']!r}: {problem}"
        n_rendered += text is not None
        n_refused += text is None
    tap.note(f"seed {seed}: {n_rendered} rendered, {n_refused} refused")


def main():
    renderer = Renderer(sys.argv[1])
    paths = [os.path.join(directory, name) for directory in [os.path.join(HERE, "templates"), *sys.argv[2:]]
             for name in sorted(os.listdir(directory)) if name.endswith(".jinja")]
    return tap.run([*((os.path.basename(path), check_template, renderer, path) for path in paths),
                    ("expressions", check_snippets, renderer, ["{{ " + e + " }}" for e in EXPRESSIONS]),
                    ("statements", check_snippets, renderer, STATEMENTS),
                    ("random templates", check_random, renderer)])


if __name__ == "__main__":
    sys.exit(main())
