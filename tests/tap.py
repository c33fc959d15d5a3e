"""The Test Anything Protocol, in which tests tell Meson how they went. `meson test` has this folder in PYTHONPATH.

    sys.exit(tap.run([("ternary", check, "t2"), ...]))         rows: a name, a function, its arguments
    sys.exit(tap.run(tap.named([asking, streaming], service))) functions that are called what they test

What a test raises, returns or yields is what is wrong; one that says nothing is fine."""
import functools
import sys
import tempfile
import traceback

PROBLEMS_MAX = 10  # lines of what is wrong with one test
PROBLEM_CHARACTERS_MAX = 2000


class Skip(Exception):
    """Raised by a test that cannot be run here: why."""


def skip(reason):
    """Ends the program: nothing of it can be run here. Loudly."""
    print(f"1..0 # SKIP {reason}")
    print(f"skipped: {reason}", file=sys.stderr)
    sys.exit()


def named(functions, *arguments):
    """Rows for run()."""
    return [(function.__name__, function, *arguments) for function in functions]


def in_folder(test):
    """The test with one argument more, the last: an empty folder that goes with it."""
    @functools.wraps(test)
    def tested(*arguments):
        with tempfile.TemporaryDirectory(prefix="ryzen-llm-") as folder:
            return list(test(*arguments, folder) or ())
    return tested


def note(text):
    """A comment on the test that runs."""
    for line in text.splitlines():
        print(f"# {line}", flush=True)


def problems_of(function, arguments):
    try:
        return [str(problem) for problem in function(*arguments) or ()]
    except Skip:
        raise
    except Exception as error:  # pylint: disable=broad-except
        note("".join(traceback.format_tb(error.__traceback__.tb_next)))
        return [f"{type(error).__name__}: {error}"]


def run_one(number, name, function, arguments):
    """Whether all was well."""
    directive = ""
    try:
        problems = problems_of(function, arguments)
    except Skip as reason:
        problems, directive = [], f" # SKIP {reason}"
        print(f"skipped: {name}: {reason}", file=sys.stderr)
    for problem in problems[:PROBLEMS_MAX]:
        note(problem[:PROBLEM_CHARACTERS_MAX])
    print(f"{'not ok' if problems else 'ok'} {number} - {name}{directive}", flush=True)
    return not problems


def run(tests, only=()):
    """Runs the rows, or those with the names in `only`, one after the other, and returns the program's exit status."""
    tests = [row for row in tests if not only or row[0] in only]
    print(f"1..{len(tests)}", flush=True)
    fine = [run_one(number, name, function, arguments) for number, (name, function, *arguments) in enumerate(tests, 1)]
    return 0 if all(fine) else 1
