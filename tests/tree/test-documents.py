#!/usr/bin/env python3
"""What the documents name is there, and what is there is documented: links and files, options, the configuration, the environment.

Usage: test-documents.py SOURCE_ROOT RYZEN_LLM RYZEN_LLMD RYZEN_LLM_WORKER"""
import glob
import os
import re
import subprocess
import sys

import tap

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "HACKING.md", "data/BENCHMARKS.md", "data/model/MODEL-CARD.md")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
FILE = re.compile(r"`([\w./-]+\.(?:c|h|py|md|xml|service|conf|its))`")
FOLDERS = ("", "daemon", "daemon/engine", "daemon/engine/chat", "daemon/worker", "daemon/service", "daemon/api", "kernels", "tests")
INSTALLED = {"limits.h", "ryzen-llmd.conf", "ryzen-llmd.service"}  # names of many files, or of what a build makes


def read(root, path):
    with open(os.path.join(root, path)) as file:
        return file.read()


def manual(root, page):
    return read(root, f"data/man/{page}").replace("\\", "")


def check_links(root):
    for document in DOCUMENTS:
        folder = os.path.dirname(document)
        text = read(root, document)
        yield from (f"{document}: {link} leads nowhere" for link in LINK.findall(text)
                    if "://" not in link and not os.path.exists(os.path.join(root, folder, link)))
        yield from (f"{document}: there is no file {name}" for name in FILE.findall(text) if name not in INSTALLED and not any(
            os.path.exists(os.path.join(root, start, name)) for start in (folder, *FOLDERS)))


def options_of(*command):
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*command, "--help"], env=environment, capture_output=True, text=True, timeout=30, check=True)
    return sorted(set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", done.stdout, re.M)))


def check_options(root, page, *command):
    text = manual(root, page)
    for option in options_of(*command):
        if not re.search(re.escape(option) + r"(?![a-z-])", text):
            yield f"{page} has no {option} of {' '.join(map(os.path.basename, command))}"


def check_verbs(root, program):
    listed = subprocess.run([program, "--help"], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, timeout=30).stdout
    verbs = re.findall(r"^  ([a-z]+) ", listed, re.M)
    if len(verbs) < 5:
        yield f"these are all verbs: {verbs}"
    for verb in verbs:
        if f".BR {verb} " not in manual(root, "ryzen-llm.1"):
            yield f"ryzen-llm.1 has no command {verb}"
        yield from check_options(root, "ryzen-llm.1", program, verb)


def check_configuration(root):
    keys = re.findall(r'^    \{"\w+", "(\w+)", VALUE_', read(root, "daemon/service/config.c"), re.M)
    if len(keys) < 5:
        yield f"these are all keys: {keys}"
    yield from (f"ryzen-llmd.conf.5 has no {key}=" for key in keys if f".B {key}=\n" not in manual(root, "ryzen-llmd.conf.5"))


def check_generation_options(root):
    names = re.findall(r'^    \{"(\w+)",', read(root, "dbus/option-row.c"), re.M)
    if len(names) < 20:
        yield f"these are all options: {names}"
    for where, text in (("org.ryzenllm1.5", manual(root, "org.ryzenllm1.5")),
                        ("org.ryzenllm1.Manager.xml", read(root, "dbus/org.ryzenllm1.Manager.xml"))):
        yield from (f"{where} has no option {name}" for name in names if not re.search(rf"\b{name}\b", text))


def check_environment(root):
    sources = [path for folder in ("client", "daemon", "kernels", "dbus")
               for path in glob.glob(os.path.join(root, folder, "**", "*.[ch]"), recursive=True)]
    names = {name for path in sources for name in re.findall(r'getenv\("(RYZEN_LLM_\w+)"\)', read("", path))}
    pages = "".join(manual(root, os.path.basename(page)) for page in glob.glob(os.path.join(root, "data/man/*.[0-9]")))
    for name in sorted(names):
        if f".B {name}\n" not in pages:
            yield f"no manual page has {name}"
        if f"`{name}" not in read(root, "HACKING.md"):
            yield f"HACKING.md has no {name}"


def main():
    root, client, daemon, worker = sys.argv[1:]
    return tap.run([("what documents name is there", check_links, root),
                    ("commands and their options", check_verbs, root, client),
                    ("options of the daemon", check_options, root, "ryzen-llmd.8", daemon),
                    ("options of the worker", check_options, root, "ryzen-llm-worker.8", worker),
                    ("lines of the configuration", check_configuration, root),
                    ("generation options", check_generation_options, root),
                    ("the environment", check_environment, root)])


if __name__ == "__main__":
    sys.exit(main())
