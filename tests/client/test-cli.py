#!/usr/bin/env python3
"""The real ryzen-llm against mock-service.py on a bus of its own: every verb, errors, Ctrl-C, pipes and terminals.

Usage: test-cli.py RYZEN_LLM MOCK_SERVICE FOLDER_OF_INTERFACES BASH_COMPLETION [TEST...]
"""
import errno
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import tap

TIMEOUT = 30
PROMPT = rb">\x1b\[0m "
PROGRAM, MOCK, INTERFACES, COMPLETION = (os.path.abspath(path) for path in sys.argv[1:5])


class Bus:
    """A private dbus-daemon; with a mock service on it if wanted."""

    def __init__(self):
        self.daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"],
                                       stdout=subprocess.PIPE, text=True)
        self.address = self.daemon.stdout.readline().strip()
        self.service = None

    def start_service(self):
        self.service = subprocess.Popen([sys.executable, MOCK, INTERFACES], stdout=subprocess.PIPE,
                                        env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": self.address})
        self.buffer = b""
        self.wait_event("ready")

    def next_event(self):
        """The next line of the mock's report; waits for it."""
        while b"\n" not in self.buffer:
            if not select.select([self.service.stdout], [], [], TIMEOUT)[0]:
                raise AssertionError("the service reported nothing")
            piece = os.read(self.service.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError("the service ended")
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def drop_events(self):
        """What earlier tests did not ask about."""
        while select.select([self.service.stdout], [], [], 0)[0] and os.read(self.service.stdout.fileno(), 65536):
            pass
        self.buffer = b""

    def wait_event(self, name, **members):
        while True:
            event = self.next_event()
            if event["event"] == name and all(event.get(k) == v for k, v in members.items()):
                return event

    def wait_call(self, method):
        return self.wait_event("call", method=method)["arguments"]

    def stop(self):
        for process in (self.service, self.daemon):
            if process:
                process.terminate()
                process.wait()


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"code {self.code}\nout {self.out!r}\nerr {self.err!r}"


def environment(**more):
    variables = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm", "RYZEN_LLM_BUS": "user",
                 "DBUS_SESSION_BUS_ADDRESS": bus.address, **more}
    variables.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
    return {k: v for k, v in variables.items() if v is not None}


def start(*arguments, stdin=subprocess.DEVNULL, env=None):
    return subprocess.Popen([PROGRAM, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=env or environment())


def run(*arguments, input=None, env=None):
    process = start(*arguments, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE, env=env)
    if isinstance(input, str):
        input = input.encode()
    out, err = process.communicate(input, timeout=TIMEOUT)
    return Result(process.returncode, out.decode(), err.decode())


def read_until(fd, pattern, seen=b""):
    """Reads until the pattern is in it. At the end of file: what there is."""
    while not re.search(pattern, seen):
        assert select.select([fd], [], [], TIMEOUT)[0], f"waited for {pattern!r}, got {seen!r}"
        try:
            piece = os.read(fd, 4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = b""
        if not piece:
            break
        seen += piece
    return seen


def run_on_terminal(*arguments, typed=(), env=None):
    """`typed`: (pattern to wait for, what is typed then). Returns exit code and all that was shown."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(PROGRAM, [PROGRAM, *arguments], env or environment())
    seen = b""
    at = 0
    for pattern, text in typed:
        while not re.search(pattern, seen[at:]):
            before = len(seen)
            seen = read_until(fd, rb"(?s).{%d}" % (before + 1), seen)
            assert len(seen) > before, f"waited for {pattern!r}, got {seen!r}"
        at = len(seen)
        os.write(fd, text)
    shown = read_until(fd, rb"(?!)", seen)
    os.close(fd)
    _, status = os.waitpid(pid, 0)
    return Result(os.waitstatus_to_exitcode(status), shown.decode(), "")


def expect(result, code, out=None, err=None):
    assert result.code == code, result
    if out is not None:
        assert result.out == out, result
    if err is not None:
        assert err in result.err if err else result.err == "", result
    return result


# ask

def test_ask():
    expect(run("ask", "hello", "there"), 0, "You said: hello there\n", "")
    model, messages, options = bus.wait_call("Chat")
    assert (model, messages, options) == ("tiny", [{"role": "user", "content": "hello there"}], {"temperature": 0})


def test_ask_options():
    expect(run("ask", "-m", "tiny", "--temperature", "0.7", "--max-tokens=100", "--seed", "18446744073709551615",
               "--stop", "A", "--stop", "-b", "--ignore-eos", "--presence-penalty", "-1.5", "-s", "Be brief.", "x",
               env=environment(LC_ALL="de_DE.UTF-8")), 0)
    _, messages, options = bus.wait_call("Chat")
    assert messages[0] == {"role": "system", "content": "Be brief."}, messages
    assert options == {"temperature": 0.7, "max_tokens": 100, "seed": 18446744073709551615, "stop": ["A", "-b"],
                       "ignore_eos": True, "presence_penalty": -1.5}, options


def test_ask_raw():
    expect(run("ask", "--raw", "Once"), 0, "You said: Once\n")
    assert bus.wait_call("Generate")[:2] == ["tiny", "Once"]
    expect(run("ask", "-m", "plain", "Once"), 0, "You said: Once\n")
    assert bus.wait_call("Generate")[:2] == ["plain", "Once"]
    expect(run("ask", "-m", "plain", "-s", "x", "Once"), 1, "", "no chat template")


def test_ask_input():
    expect(run("ask", input="from a pipe\n\n"), 0, "You said: from a pipe\n")
    expect(run("ask", "-", input="from a pipe"), 0, "You said: from a pipe\n")
    expect(run("ask", "explain:", input="line 1\nline 2\n"), 0, "You said: explain:\n\nline 1\nline 2\n")
    expect(run("ask", "--", "--not-an-option"), 0, "You said: --not-an-option\n")
    expect(run("ask", "é 你好", env=environment(LC_ALL="C")), 0, "You said: é 你好\n")


def test_ask_bad_input():
    expect(run("ask", input=""), 2, "", "There is no prompt")
    expect(run("ask", input=b"\xff\xfe"), 1, "", "not UTF-8")
    expect(run("ask", input=b"a\0b"), 1, "", "not UTF-8")
    expect(run("ask", input=b"a" * ((16 << 20) + 1)), 1, "", "more than 16777216 bytes")
    expect(run("ask", b"\xff"), 2, "", "Argument 2 is not UTF-8")


def test_ask_closed_input():
    process = subprocess.run(["sh", "-c", '"$0" ask hello <&-', PROGRAM], env=environment(), capture_output=True)
    assert (process.returncode, process.stdout) == (0, b"You said: hello\n"), process


def test_ask_json():
    answer = json.loads(expect(run("ask", "--json", "hi"), 0, err="").out)
    assert answer["answer"] == "You said: hi" and answer["model"] == "tiny", answer
    assert answer["finish_reason"] == "stop" and answer["usage"]["prompt_tokens"] == 7, answer
    assert answer["timings"]["prompt_ms"] == 20.0 and "error" not in answer, answer


def test_ask_draft():
    expect(run("ask", "--draft", "lookup", "hi"), 0)
    assert bus.wait_call("Chat")[2]["draft"] == "lookup"
    expect(run("ask", "--draft", "often", "hi"), 2, "", "--draft must be auto, off, lookup or model")
    expect(run("bench", "--draft", "often"), 2, "", "--draft must be auto, off, lookup or model")


def test_ask_verbose():
    result = expect(run("ask", "-v", "hi"), 0, "You said: hi\n")
    assert re.search(r"tiny: prompt 7 tokens \(3 recycled\).*answer 5 tokens.*stop", result.err), result


def test_ask_split_writes():
    expect(run("ask", "!environment"), 0, "é!\n")


def test_ask_nothing():
    expect(run("ask", "!nothing"), 0, "\n", "")
    expect(run("ask", "!length"), 0, "cut\n", "")


def test_errors():
    expect(run("ask", "-m", "none", "x"), 1, "", 'ryzen-llm: There is no model "none".\nSee "ryzen-llm models"')
    expect(run("ask", "!busy"), 1, "", "Too many requests wait.\nTry again later")
    expect(run("ask", "!denied"), 1, "", "Not authorized.\nRun it from")
    expect(run("ask", "!died"), 1, "half an ans\n", "The worker of model tiny died.\nThe next request")
    expect(run("ask", "!broken"), 1, "half\n", "The answer broke off")
    expect(run("ask", "!garbage"), 1, "", "no event")
    expect(run("ask", "!endless_line"), 1, "", "no event")


def test_error_json():
    answer = json.loads(expect(run("ask", "--json", "!died"), 1, err="died").out)
    assert answer["finish_reason"] == "error" and answer["answer"] == "half an ans", answer
    assert answer["error"]["name"] == "org.ryzenllm1.Error.WorkerDied", answer
    expect(run("ask", "--json", "!busy"), 1, "", "Too many")


def interrupt(*arguments, wait_for=None):
    process = start(*arguments)
    seen = read_until(process.stdout.fileno(), wait_for) if wait_for else b""
    if not wait_for:
        bus.wait_event("call", method="Chat")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    return Result(process.returncode, (seen + out).decode(), err.decode())


def test_interrupt():
    result = expect(interrupt("ask", "!slow", wait_for=b"word3 "), 130, err="")
    assert result.out.startswith("word1 word2 word3 ") and result.out.endswith("\n"), result
    bus.wait_event("cancel")
    bus.wait_event("finished", reason="cancelled")


def test_interrupt_json():
    process = start("ask", "--json", "!slow")
    bus.wait_call("Chat")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, process.returncode
    # Before it was accepted there is nothing to print.
    assert not out or json.loads(out)["finish_reason"] == "cancelled", out


def test_interrupt_before_accepted():
    process = start("ask", "!pending")
    bus.wait_event("pending")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (130, b""), (process.returncode, out, err)


def test_second_interrupt_when_stuck():
    """Nobody reads stdout: the first Ctrl-C cannot be heeded, the second one ends it all the same."""
    process = start("ask", "!flood")
    bus.wait_event("flooded")
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)  # only between signals, so that they do not merge
    assert process.returncode == 130, process.returncode
    process.stdout.close()
    process.stderr.close()


def test_head():
    process = subprocess.run(["bash", "-c", '"$0" ask "!slow" | head -c1; exit ${PIPESTATUS[0]}', PROGRAM],
                             env=environment(), capture_output=True, timeout=TIMEOUT)
    assert process.stdout == b"w" and process.stderr == b"", process
    assert process.returncode in (1, 128 + signal.SIGPIPE), process
    bus.wait_event("reader-gone")


def test_head_sigpipe_ignored():
    process = subprocess.run(["bash", "-c", 'trap "" PIPE; "$0" ask "!slow" | head -c1; exit ${PIPESTATUS[0]}', PROGRAM],
                             env=environment(), capture_output=True, timeout=TIMEOUT)
    assert (process.returncode, process.stdout, process.stderr) == (1, b"w", b""), process
    bus.wait_event("cancel")


def test_full_disk():
    with open("/dev/full", "wb") as full:
        process = subprocess.run([PROGRAM, "ask", "hi"], env=environment(), stdin=subprocess.DEVNULL, stdout=full,
                                 stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert process.returncode == 1 and b"Cannot write: No space left" in process.stderr, process


# terminals

def test_escapes():
    assert "\x1b[31m\x07 \u009b2J" in run("ask", "!escape").out
    shown = expect(run_on_terminal("ask", "!escape"), 0).out
    assert "red\u241b[31m\u2407 \ufffd2J tab" in shown and "\x1b[31m" not in shown, shown
    shown = expect(run_on_terminal("show", "tiny"), 0).out
    assert "Tiny\u241b[31m model" in shown, shown


def test_progress():
    shown = expect(run_on_terminal("ask", "!progress"), 0).out
    assert "Reading the prompt [" in shown and "100%" in shown and shown.endswith("\r\x1b[Kread\r\n"), shown
    expect(run("ask", "!progress"), 0, "read\n", "")


def test_terminal_interrupt():
    result = expect(run_on_terminal("ask", "!slow", typed=[(rb"word2 ", b"\x03")]), 130)
    assert "word1 word2 " in result.out and result.out.endswith("\n"), result
    bus.wait_event("cancel")


def test_no_colour():
    assert "\x1b[1;31m" in run_on_terminal("nonsense").out
    assert "\x1b" not in run_on_terminal("nonsense", env=environment(NO_COLOR="1")).out


# chat

def test_chat():
    script = "hello\n\nagain\n/system Be brief.\nbrief\n/clear\nanew\n/exit\nnever\n"
    result = expect(run("chat", "--max-tokens", "9", input=script), 0)
    assert result.out == "You said: hello\nYou said: again\nYou said: brief\nYou said: anew\n", result
    calls = [bus.wait_call("Chat") for _ in range(4)]
    assert [[m["role"] for m in call[1]] for call in calls] == [
        ["user"], ["user", "assistant", "user"], ["system", "user", "assistant", "user", "assistant", "user"],
        ["system", "user"]], calls
    assert calls[0][2] == {"max_tokens": 9}, calls


def test_chat_errors():
    expect(run("chat", "-m", "plain", input="x\n"), 1, "", "no chat template")
    expect(run("chat", input="!died\nnever\n"), 1, "half an ans\n", "died")
    expect(run("chat", input=b"\xff\n"), 1, "", "not UTF-8")
    expect(run("chat", input="/nonsense\nhi\n"), 0, "You said: hi\n", "There is no command /nonsense")


def test_chat_on_terminal():
    result = expect(run_on_terminal("chat", typed=[
        (PROMPT, b"!slow\n"), (rb"word2 ", b"\x03"), (PROMPT, b"/help\n"), (PROMPT, b"!busy\n"),
        (rb"(?s)Too many.*" + PROMPT, b"bye\n"), (rb"(?s)You said: bye\r\n.*" + PROMPT, b"\x04")]), 0)
    assert "/clear" in result.out, result
    messages = [bus.wait_call("Chat")[1] for _ in range(3)][2]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"], messages


# models

def test_models():
    lines = expect(run("models"), 0, err="").out.splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "PARAMS", "WEIGHTS", "CONTEXT", "STATE"], lines
    assert lines[1].split() == ["tiny", "*", "1.4", "GiB", "2.4B", "TQ2_0", "4096", "loaded"], lines
    assert len(lines) == 4, lines
    expect(run("models", "--quiet"), 0, "tiny\nplain\nbuiltin\n", "")
    models = json.loads(expect(run("models", "--json"), 0, err="").out)
    assert [(m["name"], m["default"], m["can_chat"]) for m in models] == [
        ("tiny", True, True), ("plain", False, False), ("builtin", False, True)], models
    assert models[0]["parameters"] == 2400000000, models


def test_show():
    shown = expect(run("show", "plain"), 0, err="").out
    for line in ("Context +4096", "Keys and values +F16", "Packed file +used"):
        assert re.search(f"^{line}$", shown, re.M), shown
    assert "Draft model" not in shown and "Ternary layouts" not in shown, shown  # it has none
    assert re.search("^Ternary layouts +2560: t2 ", expect(run("show", "tiny"), 0).out, re.M)
    assert json.loads(expect(run("show", "--json", "plain"), 0).out)["digest"] == "ab" * 32
    expect(run("show", "none"), 1, "", 'There is no model "none".')


def test_load_unload_remove():
    expect(run("load", "plain"), 0, "", "")
    assert bus.wait_call("Load") == ["plain", {}]
    expect(run("load", "none"), 1, "", 'There is no model "none".')
    expect(run("unload", "tiny"), 1, "", "in use.\nTry again when")
    expect(run("unload", "--force", "tiny"), 0, "", "")
    expect(run("remove", "builtin", "none", "plain"), 1, "", "package manager")
    assert [bus.wait_call("RemoveModel")[0] for _ in range(3)] == ["builtin", "none", "plain"]
    expect(run("remove", "plain"), 0, "", "")


def test_status():
    out = expect(run("status"), 0, err="").out
    assert re.search(r"^Default model +tiny$", out, re.M) and "  tiny (3.0 MiB)" in out, out
    status = json.loads(expect(run("status", "--json"), 0, err="").out)
    assert status == {"version": "9.9", "default_model": "tiny", "memory_used": 3 << 20, "memory_budget": 8 << 30,
                      "active_requests": 1, "queued_requests": 2, "loaded_models": ["tiny"]}, status


def model_file(name):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("GGUF, content of " + name)
    return path


def test_install():
    expect(run("install", model_file("My Model (v2).GGUF")), 0, "Installed my-model-v2.\n", "")
    name, _, options = bus.wait_call("InstallModel")
    assert (name, options) == ("my-model-v2", {}), (name, options)
    assert bus.wait_event("file")["content"] == "GGUF, content of My Model (v2).GGUF"
    expect(run("install", model_file("tiny.gguf")), 1, "", "There is a model tiny already.\nUse --replace")
    expect(run("install", "--replace", model_file("tiny.gguf")), 0, "Installed tiny.\n")
    expect(run("install", "--name", "bad", model_file("x")), 1, "", "no GGUF file.")
    expect(run("install", "--weights", "q9", model_file("x")), 2, "", "--weights must be file, q8 or q4.")
    expect(run("install", "--kv", "q9", model_file("x")), 2, "", "--kv must be f32, f16 or i8.")
    for content in ("", "GGU", "GGML and more"):
        with open(model_file("x"), "w", encoding="utf-8") as file:
            file.write(content)
        expect(run("install", file.name), 1, "", f"{file.name} is not a GGUF file.")


def test_install_parts():
    for name in ("p-00001-of-00003.gguf", "p-00002-of-00003.gguf", "d.gguf"):
        model_file(name)
    first = os.path.join(folder, "p-00001-of-00003.gguf")
    missing = os.path.join(folder, "p-00003-of-00003.gguf")
    expect(run("install", first), 1, "", f"Part 3 of 3 is missing: there is no {missing}.")
    model_file("p-00003-of-00003.gguf")
    expect(run("install", "--draft", os.path.join(folder, "d.gguf"), "--kv", "i8", first), 0, "Installed p.\n", "")
    name, _, options = bus.wait_call("InstallModel")
    assert name == "p" and options["kv_type"] == "i8" and len(options["parts"]) == 2 and len(options["draft"]) == 1, options
    contents = [bus.wait_event("file")["content"].split()[-1] for _ in range(4)]
    assert contents == [f"p-0000{i}-of-00003.gguf" for i in (1, 2, 3)] + ["d.gguf"], contents
    expect(run("install", os.path.join(folder, "p-00001-of-00017.gguf")), 1, "", "at most 16")
    expect(run("install", "--draft", "/nonexistent.gguf", first), 1, "", "/nonexistent.gguf")


def test_install_report():
    text = expect(run("install", "--weights", "q8", "--name", "small", model_file("x")), 0, err="").out
    assert bus.wait_call("InstallModel")[2] == {"weights": "q8"}
    assert text == ("Draft model: Requantised 225 matrices from F16 to Q8_0: 1.0 GiB became 512 MiB; "
                    "the worst relative error is 0.61 %.\n"
                    "Requantised 225 matrices from F16 to Q8_0: 15.0 GiB became 7.5 GiB; "
                    "the worst relative error is 0.61 %.\nInstalled small.\n"), text
    text = expect(run("install", "--weights", "q8", "--name", "ternary", model_file("x")), 0).out
    assert text == ("No matrix became smaller: the weights are what they were.\n"
                    "Fastest ternary layouts, by columns: 4096: t1.6 (t2 1.00, t1.6 1.17)\nInstalled ternary.\n"), text


def test_install_bad_files():
    expect(run("install", "/nonexistent.gguf"), 1, "", "Cannot open /nonexistent.gguf: No such file")
    expect(run("install", folder), 1, "", "not a regular file")
    expect(run("install", "--name", "a/b", model_file("x")), 2, "", "cannot be a model's name")
    expect(run("install", model_file("---.gguf")), 2, "", "--name")
    fifo = os.path.join(folder, "fifo.gguf")
    os.mkfifo(fifo)
    expect(run("install", fifo), 1, "", "not a regular file")


def test_install_interrupt():
    process = start("install", "--name", "slow", model_file("x"))
    bus.wait_event("file")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out, err) == (130, b"", b""), (process.returncode, out, err)


def test_install_progress():
    shown = expect(run_on_terminal("install", "--name", "new", model_file("x")), 0).out
    assert "Copying [" in shown and "Packing [" in shown, shown
    assert shown.endswith("\r\x1b[KInstalled new.\r\n"), shown


def test_bench():
    result = expect(run("bench", "--repeat", "2", "--concurrency", "3", "--tokens", "9"), 0, err="")
    assert "tiny: prompt 7 tokens (3 recycled), answer 5 tokens, 3 at a time, 2 rounds" in result.out, result
    prompts = set()
    for _ in range(9):  # a round to warm up and two that count
        _, prompt, options = bus.wait_call("Generate")
        prompts.add(prompt)
        assert options == {"max_tokens": 9, "temperature": 0, "seed": 1, "ignore_eos": True}, options
        assert prompt == " ".join(["w"] * 128), prompt
    bench = json.loads(expect(run("bench", "--repeat", "1", "--json"), 0, err="").out)
    assert bench["prompt"] == {"unit": "tokens/s", "median": 200.0, "minimum": 200.0, "maximum": 200.0}, bench
    assert bench["decode"]["median"] == 80.0, bench
    assert bench["time_to_first_token"]["median"] > 0 and bench["completion_tokens"] == 5, bench
    expect(run("bench", "--tokens", "1"), 2, "", "--tokens")


SUITE = [
    {"type": "machine", "version": "1", "tier": "avx2", "cpu": "A <B> & \u202e\x1bC", "kernel": "6", "cores": 4, "cpus": 8, "smt": 2,
     "l2_bytes": 1 << 20, "l3_bytes": 3 << 24, "l3_domains": 2, "memory_bytes": 1 << 34},
    {"type": "progress", "stage": "memory", "done": 1, "total": 2},
    {"type": "read", "threads": 1, "pages": "huge", "streams": 4, "prefetch": 0, "gbps": 20.5},
    {"type": "roof", "threads": 1, "gbps": 20.5, "i8_gops": 500.0, "f32_gops": 100.0},
    {"type": "note", "model": "big", "text": "cut to 1 of 2 layers"},
    {"type": "figure", "suite": "inference", "model": "big <1>", "weights": "TQ2_0", "name": "prompt", "n": 128, "threads": 1,
     "value": 640.25, "unit": "tokens/s", "samples": 3, "seconds": 0.2, "seconds_least": 0.1, "seconds_most": 0.3, "bytes": 1e9,
     "i8_operations": 5e10, "f32_operations": 0, "gbps": 5.0, "gops": 250.0, "limit_gbps": 21.0, "limit_i8_gops": 500.0, "limit_f32_gops": 100.0, "limit_seconds": 0.1, "percent": 50.0,
     "bound": "compute"},
    {"type": "figure", "suite": "inference", "model": "big <1>", "weights": "TQ2_0", "name": "new one", "n": 1, "threads": 1,
     "value": 7, "unit": "ms"},
    {"type": "roof", "threads": 1, "gbps": 21.5, "i8_gops": 500.0, "f32_gops": 100.0},
    *({"type": "figure", "suite": "kernels", "model": "big " + "x" * 200, "weights": weights, "name": "product", "n": n, "threads": 1,
       "value": value, "unit": unit, "samples": 3, "seconds": 0.2, "seconds_least": 0.1, "seconds_most": 0.3, "bytes": 1e9,
       "i8_operations": 5e10, "f32_operations": 0, "gbps": 17.2, "gops": 400.0, "limit_gbps": 21.0, "limit_i8_gops": 500.0, "limit_f32_gops": 100.0, "limit_seconds": 0.1, "percent": percent,
       "bound": bound}
      for weights in ("T2", "I8") for n, value, unit, percent, bound in ((1, 17.2, "GB/s", 80.0, "memory"),
                                                                         (8, 400.0, "GOPS", 133.0, "compute"))),
    {"type": "done"},
]


def fake_worker(folder, lines, code=0, waits=False):
    """A program that says these lines, and to stderr what it was asked; `waits`: and then waits for Ctrl-C."""
    path = os.path.join(folder, "worker")
    with open(path, "w") as file:
        file.write(f"#!{sys.executable}\nimport signal, sys\nprint(*sys.argv[1:], file=sys.stderr)\n"
                   "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
                   f"print({chr(10).join(lines)!r}, flush=True)\n"
                   f"if {waits}: signal.sigwait([signal.SIGINT])\nsys.exit({code})\n")
    os.chmod(path, 0o755)
    return environment(RYZEN_LLM_WORKER=path)


def check_plot(path):
    """Bars are as long as their part of the limit, on the paper, and nothing is written over anything else."""
    names = {"svg": "http://www.w3.org/2000/svg"}
    svg = xml.etree.ElementTree.parse(path)
    width, height = (float(svg.getroot().get(name)) for name in ("width", "height"))
    texts = ["".join(text.itertext()) for text in svg.findall("svg:text", names)]
    assert any("640" in text and "50 %" in text for text in texts) and "133 % of 500 GOPS" in texts, texts
    assert any("A <B> &" in text for text in texts) and "prompt of 128 tokens" in texts, texts
    assert any(text.startswith("kernels: big xxx") and text.endswith("…") for text in texts), texts
    bars = [rect for rect in svg.findall("svg:rect", names) if rect.get("class") in ("memory", "compute") and rect.get("rx")]
    rooms = [float(rect.get("width")) for rect in svg.findall("svg:rect[@class='room']", names)]
    parts = [round(float(bar.get("width")) / room, 2) for bar, room in zip(bars, rooms)]
    assert parts == [0.5, 0.8, 1.2, 0.8, 1.2] and len(rooms) == 5, parts
    assert all(float(bar.get("x")) + float(bar.get("width")) < width for bar in bars)
    places = [(float(text.get("y")), float(text.get("x"))) for text in svg.findall("svg:text", names)]
    assert len(set(places)) == len(places) and max(places)[0] < height, places
    rows = sorted({y for y, _ in places})
    assert min(below - above for above, below in zip(rows, rows[1:])) >= 14, rows


def test_bench_suite():
    with tempfile.TemporaryDirectory() as folder:
        env = fake_worker(folder, [json.dumps(line) for line in SUITE])
        output, plot = os.path.join(folder, "out.json"), os.path.join(folder, "out.svg")
        result = expect(run("bench", "--suite", "inference", "--shape", "a", "--shape", "b", "--threads", "1,2", "--weights", "F16",
                            "--layers", "1", "--vocabulary", "300", "--budget", "0.5", "--output", output, "--plot", plot, env=env),
                        0)
        assert result.err == ("--bench inference --shape a --shape b --threads 1,2 --weights F16 --budget 0.5 --layers 1 "
                              "--vocabulary 300\n"), result
        lines = [line.split() for line in result.out.splitlines()]
        assert "prompt of 128 tokens 640 tokens/s 5.00 250 50 % 500 GOPS".split() in lines, result.out
        assert "new one 7.00 ms".split() in lines and "1 thread 20.5 500 100".split() in lines, result.out
        assert "big: cut to 1 of 2 layers" in result.out and "\x1b" not in result.out, result.out
        assert [line for line in lines if line[:1] in (["VECTORS"], ["T2"], ["I8"])] == [
            ["VECTORS", "1", "8"], "T2 17.2 GB/s 80 % 400 GOPS 133 %".split(), "I8 17.2 GB/s 80 % 400 GOPS 133 %".split()], result.out
        assert lines[-2:] == ["BEST LIMITS MEMORY GB/s 8-BIT GOPS FLOAT GOPS".split(), "1 thread 21.5 500 100".split()], result.out
        with open(output) as file:
            saved = json.load(file)
        assert saved["complete"] is True and saved["machine"]["cores"] == 4, saved
        assert saved["figures"][0] == {k: v for k, v in SUITE[5].items() if k != "type"}, saved
        assert [len(saved[name]) for name in ("reads", "roofs", "notes", "figures")] == [1, 1, 1, 6], saved
        assert saved["roofs"][0]["gbps"] == 21.5, saved
        check_plot(plot)
        assert json.loads(expect(run("bench", "--shape", "a", "--json", env=env), 0).out) == saved


def test_bench_suite_that_fails():
    with tempfile.TemporaryDirectory() as folder:
        some = fake_worker(folder, [json.dumps(line) for line in SUITE[:6]] + ["not JSON", "[1]", "{}"], code=1)
        result = expect(run("bench", "--suite", "all", "--json", env=some), 1)
        assert json.loads(result.out)["complete"] is False, result
        expect(run("bench", "--suite", "all", env=fake_worker(folder, [], code=64)), 2, "")
        expect(run("bench", "--suite", "all", env=fake_worker(folder, [], code=1)), 1, "")
        good = fake_worker(folder, [json.dumps(line) for line in SUITE])
        for option, path in (("--plot", folder + "/none/x.svg"), ("--output", folder)):  # before anything is measured
            expect(run("bench", "--suite", "all", option, path, env=good), 1, "", f"Cannot write {path}: ")
        expect(run("bench", "--suite", "all", env=environment(RYZEN_LLM_WORKER=folder + "/nobody")), 1, "", "nobody")


def test_bench_suite_interrupted():
    """Of a suite that is cancelled, what was measured is kept; the worker is told, and waited for."""
    with tempfile.TemporaryDirectory() as folder:
        env = fake_worker(folder, [json.dumps(line) for line in SUITE[:6]], code=1, waits=True)
        output = os.path.join(folder, "out.json")
        process = start("bench", "--suite", "inference", "--output", output, env=env)
        seen = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 130 and b"A <B>" in seen and b"prompt of 128 tokens" in out, (process.returncode, out)
        with open(output) as file:
            saved = json.load(file)
        assert saved["complete"] is False and len(saved["figures"]) == 1, saved


def test_bench_usage():
    for arguments, word in ((("--suite", "speed"), "speed"), (("--suite", "all", "-m", "tiny"), "--model"),
                            (("--export", "x.gguf"), "--shape"), (("--export", "x.gguf", "--shape", "a", "--shape", "b"), "--shape"),
                            (("--export", "x.gguf", "--shape", "a", "--suite", "all"), "--suite"), (("--threads", "2"), "--suite"),
                            (("--plot", "x.svg"), "--suite"), (("--output", "x.json"), "--suite"), (("--budget", "1"), "--suite"),
                            (("--suite", "all", "--layers", "-1"), "--layers")):
        expect(run("bench", *arguments), 2, "", word)


# the command line itself

VERBS = "ask chat models show install remove load unload status bench help".split()


def test_help():
    general = expect(run("--help"), 0, err="").out
    assert expect(run("help"), 0).out == general
    assert expect(run("help", "--help"), 0).out == general
    for verb in VERBS:
        assert f"\n  {verb} " in general, verb
        if verb != "help":
            text = expect(run(verb, "--help"), 0, err="").out
            assert "Examples:" in text and f"ryzen-llm {verb}" in text, text
            assert expect(run("help", verb), 0, err="").out == text, verb
    expect(run("--version"), 0, err="")


def test_usage():
    expect(run(), 2, "", "There is no command.")
    expect(run("sohw"), 2, "", 'Did you mean "show"?')
    expect(run("help", "instal"), 2, "", 'Did you mean "install"?')
    expect(run("show"), 2, "", "MODEL is missing")
    expect(run("show", "a", "b"), 2, "", '"b" is one argument too many')
    expect(run("--nonsense"), 2, "", "There is no option")
    expect(run("ask", "--nonsense", "x"), 2, "", "--nonsense")
    expect(run("ask", "--temperature", "9", "x"), 2, "", "--temperature must be a number from 0 to 2")
    expect(run("ask", "--top-k", "x", "x"), 2, "", "--top-k must be")
    expect(run("ask", "--seed", "-1", "x"), 2, "", "--seed must be a whole number from 0 to 18446744073709551615.")


def complete(*words):
    """What bash offers for the last word."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ryzen_llm; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    path = os.path.dirname(PROGRAM) + ":" + os.environ["PATH"]
    process = subprocess.run(["bash", "-c", script, "bash", COMPLETION, "ryzen-llm", *words], capture_output=True,
                             text=True, env=environment(PATH=path), cwd=folder, timeout=TIMEOUT)
    assert process.stderr == "", process
    return process.stdout.split()


def test_completion():
    assert complete("") == VERBS
    assert complete("--user", "st") == ["status"]
    assert complete("--v") == ["--version"]
    assert complete("show", "") == ["tiny", "plain", "builtin"]
    assert complete("remove", "tiny", "p") == ["plain"]
    assert complete("ask", "-m", "b") == ["builtin"]
    assert complete("ask", "--model", "=", "b") == ["builtin"]
    assert complete("ask", "--seed", "") == []
    model_file("model.gguf"), model_file("model.txt")
    assert complete("install", "mod") == ["model.gguf"]


def long_options(text):
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.M))


def test_completion_is_whole():
    """Each option that help tells of is completed, and no other."""
    for verb in VERBS[:-1]:
        assert set(complete(verb, "--")) == long_options(run(verb, "--help").out), verb


def test_which_bus():
    """Where nobody chose, a service on the session bus is found; an empty system bus is no obstacle."""
    choice = dict(RYZEN_LLM_BUS=None, DBUS_SYSTEM_BUS_ADDRESS=empty_bus.address)
    expect(run("models", "-q", env=environment(**choice)), 0)
    expect(run("models", "-q", "--user", env=environment(**choice)), 0)
    expect(run("--user", "models", "-q", env=environment(**choice)), 0)
    choice["RYZEN_LLM_BUS"] = "system"
    expect(run("models", env=environment(**choice)), 1, "", "not on the system bus.\nStart it with")
    choice["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent"
    expect(run("models", env=environment(**choice)), 1, "", "Cannot connect to the system bus: No such file")
    choice["RYZEN_LLM_BUS"] = "other"
    expect(run("models", env=environment(**choice)), 1, "", "must be")


def test_no_service():
    expect(run("models", env=environment(DBUS_SESSION_BUS_ADDRESS=empty_bus.address)), 1, "",
           "not on the session bus.\nStart it with")


def test_service_ends():
    """Last: it takes the service along."""
    process = start("ask", "!pending")
    bus.wait_event("pending")
    bus.service.kill()
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1 and b"The service ended before" in err, (out, err)


def test_bus_ends():
    bus.start_service()
    process = start("ask", "!pending")
    bus.wait_event("pending")
    bus.daemon.kill()
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1 and b"connection to the bus was lost" in err, (out, err)


def run_test(test):
    bus.drop_events()
    test()


bus, empty_bus = Bus(), Bus()
try:
    with tempfile.TemporaryDirectory() as folder:
        bus.start_service()
        status = tap.run(((name, run_test, test) for name, test in list(globals().items()) if name.startswith("test_")), sys.argv[5:])
finally:
    bus.stop()
    empty_bus.stop()
sys.exit(status)
