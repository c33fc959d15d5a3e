#!/usr/bin/env python3
"""What a person reads is translated: POTFILES lists every source of strings, every language has all of them.

Usage: test-translations.py SOURCE_ROOT"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tap

TOOLS = ("xgettext", "msgfmt", "msgmerge", "msgattrib")
MARKED = re.compile(r"\b(_|N_|ngettext)\(")
XGETTEXT = ("xgettext", "--from-code=UTF-8", "--keyword=_", "--keyword=N_", "--keyword=ngettext:1,2",
            "--files-from=po/POTFILES")


def run(root, *command):
    # The rules for polkit's file are those of po/its, also where polkitd is installed and brings its own.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", "XDG_DATA_DIRS": "/nonexistent",
                   "GETTEXTDATADIR": os.path.join(root, "po")}
    result = subprocess.run(command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False)
    return result.returncode, result.stdout


def entries(root, name):
    with open(os.path.join(root, "po", name)) as file:
        lines = [line.partition("#")[0].strip() for line in file]
    return [line for line in lines if line]


def unlisted(root):
    for name in sorted(os.listdir(os.path.join(root, "client"))):
        with open(os.path.join(root, "client", name)) as file:
            if name.endswith((".c", ".h")) and MARKED.search(file.read()):
                yield f"client/{name}"


def check_listed(root):
    listed = entries(root, "POTFILES")
    yield from (f"{path} is in po/POTFILES and nowhere else" for path in listed
                if not os.path.isfile(os.path.join(root, path)))
    yield from (f"{path} is not in po/POTFILES" for path in unlisted(root) if path not in listed)


def check_extracted(root, template):
    """What xgettext warns of (a format that a macro is part of, say) is cut off and never translated."""
    code, output = run(root, *XGETTEXT, f"--output={template}")
    yield from output.splitlines()
    if code:
        open(template, "w").close()
        yield f"xgettext failed: {code}"


def selected(root, path, state):
    code, output = run(root, "msgattrib", "--no-obsolete", "--no-location", f"--{state}", path)
    messages = output.strip().split("\n\n")
    return messages[1:] if code == 0 else messages  # the first is the header


def check_polkit(template):
    with open(template) as file:
        if "polkit/org.ryzenllm1.policy" not in file.read():
            yield "nothing of polkit's policy was extracted"


def check_language(root, template, language):
    catalogue, merged = f"po/{language}.po", f"{template}.{language}"
    code, output = run(root, "msgfmt", "--check", f"--output-file={os.devnull}", catalogue)
    if code:
        yield from output.splitlines() or [f"msgfmt failed: {code}"]
        return
    code, output = run(root, "msgmerge", "--quiet", "--no-wrap", f"--output-file={merged}", catalogue, template)
    if code:
        yield from output.splitlines() or [f"msgmerge failed: {code}"]
        return
    for state in ("untranslated", "only-fuzzy"):
        yield from (f"{catalogue}: {state}: {message}" for message in selected(root, merged, state))


def main():
    root = os.path.abspath(sys.argv[1])
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        tap.skip(f"translations are not tested: gettext's {', '.join(missing)} not found")
    with tempfile.TemporaryDirectory() as folder:
        template = os.path.join(folder, "ryzen-llm.pot")
        return tap.run([("po/POTFILES lists what has strings", check_listed, root),
                        ("every string is extracted whole", check_extracted, root, template),
                        ("polkit's questions are among them", check_polkit, template),
                        *((f"{language} is valid and complete", check_language, root, template, language)
                          for language in entries(root, "LINGUAS"))])


if __name__ == "__main__":
    sys.exit(main())
