#!/usr/bin/env python3
"""ryzen-llmd --user with real workers on a bus of its own: the whole D-Bus API, and what happens when something dies.

Usage: test-bus.py RYZEN_LLMD RYZEN_LLM_WORKER MAKE_FAKE_MODEL FOLDER_OF_INTERFACES MAKE_TINY_MODEL [TEST...]"""
import array
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import xml.etree.ElementTree as xml

import tap

try:
    from gi.repository import Gio, GLib
except ImportError:
    tap.skip("python3-gi is not installed")

NAME, ROOT, ERROR = "org.ryzenllm1", "/org/ryzenllm1", "org.ryzenllm1.Error."
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"
MANAGER, MODEL, REQUEST = NAME + ".Manager", NAME + ".Model", NAME + ".Request"
TIMEOUT = 30  # seconds; a wait that is longer is a failure
PROGRAM, WORKER, MAKE_MODEL, INTERFACES, MAKE_TINY_MODEL = sys.argv[1:6]

BUS_CONFIG = """<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy><limit name="max_message_unix_fds">64</limit></busconfig>"""


class Stream:
    """The read end of a request's event pipe."""

    def __init__(self, fd):
        self.file = os.fdopen(fd, "rb", buffering=0)
        self.buffered = b""

    def line(self):
        while b"\n" not in self.buffered:
            piece = self.file.read(4096)
            if not piece:
                return None
            self.buffered += piece
        line, self.buffered = self.buffered.split(b"\n", 1)
        return json.loads(line)

    def until(self, kind):
        while True:
            event = self.line()
            assert event is not None, f"the stream ended before {kind}"
            if event["type"] == kind:
                return event

    def rest(self):
        events = []
        while (event := self.line()) is not None:
            events.append(event)
        return events

    def close(self):
        self.file.close()


class Client:
    """One connection to the bus."""

    def __init__(self, address):
        flags = Gio.DBusConnectionFlags
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        self.bus.set_exit_on_close(False)

    def call(self, method, signature, *arguments, path=ROOT, interface=MANAGER, fds=None, timeout=TIMEOUT):
        fd_list = Gio.UnixFDList.new_from_array(fds) if fds else None
        reply, out = self.bus.call_with_unix_fd_list_sync(
            NAME, path, interface, method, GLib.Variant(signature, arguments), None, Gio.DBusCallFlags.NONE,
            timeout * 1000, fd_list, None)
        return reply.unpack(), out

    def get(self, name, path=ROOT, interface=MANAGER):
        return self.call("Get", "(ss)", interface, name, path=path, interface="org.freedesktop.DBus.Properties")[0][0]

    def started(self, reply):
        (path, handle), fds = reply
        return path, Stream(fds.get(handle))

    def generate(self, model, prompt, **options):
        return self.started(self.call("Generate", "(ssa{sv})", model, prompt, variants(options)))

    def endless(self, model):
        """A generation that goes on until somebody ends it, and has begun."""
        path, stream = self.generate(model, "hello", max_tokens=4000, ignore_eos=True)
        stream.until("delta")
        return path, stream

    def chat(self, model, messages, **options):
        messages = [{k: GLib.Variant("s", v) for k, v in m.items()} for m in messages]
        return self.started(self.call("Chat", "(saa{sv}a{sv})", model, messages, variants(options)))

    def ask(self, model, prompt, **options):
        return self.call("Ask", "(ssa{sv})", model, prompt, variants(options))[0][0]

    def install(self, name, path, parts=(), draft=(), **options):
        # GUnixFDList takes the descriptors
        fds = [file if isinstance(file, int) else os.open(file, os.O_RDONLY) for file in [path, *parts, *draft]]
        options = variants(options)
        if parts:
            options["parts"] = GLib.Variant("ah", range(1, 1 + len(parts)))
        if draft:
            options["draft"] = GLib.Variant("ah", range(1 + len(parts), len(fds)))
        return self.started(self.call("InstallModel", "(sha{sv})", name, 0, options, fds=fds))

    def cancel(self, path):
        self.call("Cancel", "(a{sv})", {}, path=path, interface=REQUEST)

    def state(self, model):
        return self.get("State", ROOT + "/model/" + encode(model), MODEL)

    def close(self):
        self.bus.close_sync(None)


def variants(options):
    types = {bool: "b", float: "d", str: "s", list: "as"}
    return {name: value if isinstance(value, GLib.Variant) else GLib.Variant(types.get(type(value), "u"), value)
            for name, value in options.items()}


def encode(name):
    return re.sub(r"[^A-Za-z0-9]|^[0-9]", lambda match: f"_{ord(match[0]):02x}", name)


class Daemon:
    def __init__(self, directory):
        self.directory = directory
        self.address = f"unix:path={directory}/bus"
        config = os.path.join(directory, "bus.conf")
        with open(config, "w") as file:
            file.write(BUS_CONFIG % f"{directory}/bus")
        self.bus = subprocess.Popen(["dbus-daemon", "--config-file", config, "--nofork", "--print-address"],
                                    stdout=subprocess.PIPE)
        self.bus.stdout.readline()
        self.models = os.path.join(directory, "models")
        self.environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": self.address}
        for variable in ("RUNTIME_DIR", "DATA_HOME", "CACHE_HOME", "CONFIG_HOME"):
            path = self.environment["XDG_" + variable] = os.path.join(directory, variable.lower())
            os.mkdir(path, 0o700)
        self.config_file = os.path.join(directory, "ryzen-llmd.conf")
        self.process = None

    def configure(self, **limits):
        lines = [f"[Service]\nModelDirectories={self.models}\nWorkerExecutable={WORKER}\n[Limits]\nThreads=1\n"]
        lines += [f"{key}={value}\n" for key, value in limits.items()]
        with open(self.config_file, "w") as file:
            file.writelines(lines)

    def start(self):
        self.client = Client(self.address)
        appeared = []
        watch = Gio.bus_watch_name_on_connection(self.client.bus, NAME, Gio.BusNameWatcherFlags.NONE,
                                                 lambda *_: appeared.append(1), None)
        self.process = subprocess.Popen([PROGRAM, "--user", "--config", self.config_file], env=self.environment)
        until(lambda: appeared)
        Gio.bus_unwatch_name(watch)
        return self.client

    def reload(self, **limits):
        """Returns when the new configuration is in force: the memory budget tells."""
        self.configure(**limits)
        budget = self.client.get("MemoryBudget")
        self.process.send_signal(signal.SIGHUP)
        if "MemoryBudget" in limits:
            until(lambda: self.client.get("MemoryBudget") != budget)

    def workers(self):
        """Process ids of our workers, by model."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline").read().split("\0")
                state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if words[0] == WORKER and "--name" in words and state != "Z" and any(self.directory in w for w in words):
                found[words[words.index("--name") + 1]] = int(pid)
        return found

    def stop(self):
        self.process.terminate()
        return self.process.wait(TIMEOUT)


def until(predicate):
    """Waits for what a signal, or the passing of time, brings."""
    context, late = GLib.MainContext.default(), []
    timer = GLib.timeout_add_seconds(TIMEOUT, lambda: late.append(1))
    tick = GLib.timeout_add(20, lambda: True)  # for what sends no signals
    while not predicate():
        assert not late, "waited in vain"
        context.iteration(True)
    if not late:
        GLib.source_remove(timer)
    GLib.source_remove(tick)


def fails(error, function, *arguments, **named):
    try:
        result = function(*arguments, **named)
    except GLib.Error as problem:
        name = Gio.DBusError.get_remote_error(problem)
        assert name == error, f"{name}: {problem.message}, expected {error}"
        return problem.message
    raise AssertionError(f"it worked: {result}, expected {error}")


def fake_model(daemon, name, end_after=0, delay_usec=0, template=1):
    path = os.path.join(daemon.directory, name + ".gguf")
    subprocess.run([MAKE_MODEL, path, str(end_after), str(delay_usec), str(template)], check=True)
    return path


def tiny_model(daemon, name, n_parts=1, n_vocab=64):
    """A real model with F16 matrices; its files."""
    path = os.path.join(daemon.directory, name + ".gguf")
    subprocess.run([MAKE_TINY_MODEL, path, str(n_parts), str(n_vocab)], check=True)
    if n_parts == 1:
        return [path]
    return [f"{path[:-5]}-{i:05}-of-{n_parts:05}.gguf" for i in range(1, n_parts + 1)]


def done_of(events):
    assert [e["type"] for e in events].count("done") == 1 and events[-1]["type"] == "done", events
    return events[-1]


def install(client, name, path, **options):
    events = client.install(name, path, **options)[1].rest()
    assert done_of(events)["finish_reason"] == "stop", events
    return events


# ---- Tests, in this order: the models stay ----

def members(interface):
    """What callers can see of an interface, to be compared."""
    found = []
    for member in interface:
        if member.tag not in ("method", "signal", "property"):
            continue
        arguments = tuple((a.get("name"), a.get("type"), a.get("direction", "out" if member.tag == "signal" else "in"))
                          for a in member.findall("arg"))
        annotations = tuple(sorted((a.get("name"), a.get("value")) for a in member.findall("annotation")))
        found.append((member.tag, member.get("name"), member.get("type"), member.get("access"), arguments, annotations))
    return sorted(found, key=lambda m: m[:2])


def compare_interface(client, path, interface):
    contract = xml.parse(os.path.join(INTERFACES, interface + ".xml")).getroot().find("interface")
    text = client.call("Introspect", "()", path=path, interface="org.freedesktop.DBus.Introspectable")[0][0]
    live = next(i for i in xml.fromstring(text).findall("interface") if i.get("name") == interface)
    for expected, actual in zip(members(contract), members(live)):
        assert expected == actual, f"{interface}: the contract has\n# {expected}, the service\n# {actual}"
    assert len(members(contract)) == len(members(live)), interface


def empty_library(daemon, client):
    assert client.call("ListModels", "(a{sv})", {})[0][0] == []
    assert client.get("DefaultModel") == ""
    assert "install" in fails(ERROR + "NoSuchModel", client.ask, "", "hello")


def installing(daemon, client):
    added = []
    client.bus.signal_subscribe(NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", ROOT, None, 0,
                                lambda *a: added.append(a[5].unpack()[0]))
    events = install(client, "quick", fake_model(daemon, "quick", end_after=40))
    stages = [e.get("stage") for e in events[:-1]]
    assert "copy" in stages and set(stages) <= {"copy", "pack"}, events
    until(lambda: ROOT + "/model/quick" in added)
    install(client, "slow-1.0", fake_model(daemon, "slow", delay_usec=2000))
    install(client, "raw", fake_model(daemon, "raw", template=0, delay_usec=500))
    paths = client.call("ListModels", "(a{sv})", {})[0][0]
    assert paths == [f"{ROOT}/model/{encode(n)}" for n in ("quick", "raw", "slow-1.0")], paths
    assert client.get("DefaultModel") == "quick"
    assert sorted(os.listdir(daemon.models)) == ["quick", "raw", "slow-1.0"]


def install_errors(daemon, client):
    model = fake_model(daemon, "again")
    for name in ("", ".hidden", "a/b", "x" * 65, "-x", "é"):
        fails(INVALID, client.install, name, model)
    fails(ERROR + "ModelExists", client.install, "quick", model)
    reader, writer = os.pipe()
    os.close(writer)
    fails(INVALID, client.install, "pipe", reader)
    fails(INVALID, client.install, "folder", os.open(daemon.directory, os.O_RDONLY))
    fails(INVALID, client.install, "writing", os.open(model, os.O_WRONLY))
    for content in (b"", b"GGUF", b"no model at all, but long enough to be read", open(model, "rb").read()[:-300]):
        bad = os.path.join(daemon.directory, "bad.gguf")
        open(bad, "wb").write(content)
        done = done_of(client.install("bad", bad)[1].rest())
        assert done["finish_reason"] == "error" and done["error"]["name"] == ERROR + "BadModel", done
        assert len(done["error"]["message"]) > 10, done
    assert sorted(os.listdir(daemon.models)) == ["quick", "raw", "slow-1.0"]
    fails(ERROR + "NoSuchModel", client.call, "GetModel", "(s)", "bad")


def install_cancelled(daemon, client):
    big = os.path.join(daemon.directory, "big.gguf")
    with open(big, "wb") as file:
        file.write(b"GGUF")
        file.truncate(1 << 30)
    path, stream = client.install("big", big)
    stream.close()
    until(lambda: os.listdir(daemon.models).count(".big.new") == 0)
    assert "big" not in os.listdir(daemon.models)
    os.unlink(big)


def path_of(model):
    return ROOT + "/model/" + encode(model)


def install_options(daemon, client):
    """Parts, a draft model, other weights and other keys and values; all of it goes with the model."""
    parts, draft = tiny_model(daemon, "parts", n_parts=3), tiny_model(daemon, "draft", n_parts=2)
    events = install(client, "whole", parts[0], parts=parts[1:], draft=draft, weights="q4", kv_type="i8")
    assert {e.get("stage") for e in events[:-1]} == {"copy", "draft", "pack"}, events
    assert {(e["stage"], e["from"], e["to"]) for e in events if e["type"] == "requantised"} >= \
        {("draft", "F16", "Q8_0"), ("pack", "F16", "Q4_0")}, events
    for event in (e for e in events if e["type"] == "requantised"):
        assert event["bytes_before"] > event["bytes_after"] > 0 and event["matrices"] > 0 and event["worst_error"] > 0
    copied = [e for e in events if e.get("stage") == "copy"][-1]
    assert copied["done"] == copied["total"] == sum(map(os.path.getsize, parts + draft)), copied

    everything = client.call("GetAll", "(s)", MODEL, path=path_of("whole"), interface="org.freedesktop.DBus.Properties")[0][0]
    found = {name: everything[name] for name in ("Weights", "KvType", "DraftModel", "DraftWeights", "Packed", "Size")}
    assert found == {"Weights": "F16\u2192Q4_0", "KvType": "I8", "DraftModel": "tiny", "DraftWeights": "F16\u2192Q8_0",
                     "Packed": "", "Size": sum(map(os.path.getsize, parts))}, found
    directory = os.path.join(daemon.models, "whole")
    made = ["install.json", "manifest.json", "packed.bin"]
    assert sorted(os.listdir(directory)) == ["draft"] + made[:2] + [f"model-{i:05}-of-00003.gguf" for i in (1, 2, 3)] + made[2:]
    assert sorted(os.listdir(directory + "/draft")) == made[:2] + [f"model-{i:05}-of-00002.gguf" for i in (1, 2)] + made[2:]

    answers = {mode: client.ask("whole", "hello", max_tokens=64, ignore_eos=True, draft=mode) for mode in ("off", "model")}
    assert answers["off"] == answers["model"] and answers["off"], answers
    assert client.get("Packed", path_of("whole"), MODEL) == "used"
    client.call("Unload", "(sa{sv})", "whole", variants({"force": True}))
    client.call("RemoveModel", "(sa{sv})", "whole", {})
    assert "whole" not in os.listdir(daemon.models)


def install_option_errors(daemon, client):
    before = sorted(os.listdir(daemon.models))
    (model,), (other,) = tiny_model(daemon, "one"), tiny_model(daemon, "other", n_vocab=60)
    parts = tiny_model(daemon, "split", n_parts=3)
    assert "q8" in fails(INVALID, client.install, "bad", model, weights="q5")
    assert "f16" in fails(INVALID, client.install, "bad", model, kv_type="F8")
    fails(INVALID, client.install, "bad", model, weights=8)
    fails(INVALID, client.install, "bad", model, kv="i8")
    assert "16 files" in fails(INVALID, client.install, "bad", model, parts=[model] * 15, draft=[model])
    reader, writer = os.pipe()
    os.close(writer)
    fails(INVALID, client.install, "bad", model, draft=[reader])

    def refused(*arguments, **options):
        done = done_of(client.install("bad", *arguments, **options)[1].rest())
        assert done["finish_reason"] == "error" and done["error"]["name"] == ERROR + "BadModel", done
        assert "bad" not in os.listdir(daemon.models) and ".bad.new" not in os.listdir(daemon.models)
        return done["error"]["message"]
    assert "keys and values" in refused(fake_model(daemon, "no-kv"), kv_type="i8")
    assert "tokens" in refused(model, draft=[other])
    assert "draft" in refused(model, draft=[parts[0]])
    assert "3" in refused(parts[0], parts=parts[1:2])
    refused(parts[0])
    assert sorted(os.listdir(daemon.models)) == before


def alter(path, offset, data):
    """Other bytes in a file; not in place, a worker may have it mapped."""
    with open(path, "rb") as file:
        bytes_ = bytearray(file.read())
    bytes_[offset:offset + len(data)] = data
    with open(path + ".altered", "wb") as file:
        file.write(bytes_)
    os.rename(path + ".altered", path)


def stale_packed_files(daemon, client):
    """Found by a worker, which serves all the same; made again once, in the background; used by the next worker."""
    (model,) = tiny_model(daemon, "one")
    install(client, "stale", model, draft=[model], weights="q8")
    directory = os.path.join(daemon.models, "stale")
    answer = client.ask("stale", "hello", max_tokens=20, ignore_eos=True)
    seen = []
    client.bus.signal_subscribe(NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", path_of("stale"), MODEL, 0,
                                lambda *a: seen.append(a[5].unpack()[1].get("Packed")))
    # the tier of its header, a byte of its weights, the draft model's
    for file, offset, data in (("packed.bin", 16, b"z80\0"), ("packed.bin", -1, b"?"), ("draft/packed.bin", 16, b"z80\0")):
        client.call("Unload", "(sa{sv})", "stale", variants({"force": True}))
        path = os.path.join(directory, file)
        alter(path, offset % os.path.getsize(path), data)
        assert client.ask("stale", "hello", max_tokens=20, ignore_eos=True) == answer
        assert client.get("Packed", path_of("stale"), MODEL) in ("packing", "renewed")
        until(lambda: client.get("Packed", path_of("stale"), MODEL) == "renewed")
        assert ".stale.new" not in os.listdir(daemon.models)
        assert client.ask("stale", "hello", max_tokens=20, ignore_eos=True) == answer  # the worker that is there
        client.call("Unload", "(sa{sv})", "stale", variants({"force": True}))
        assert client.ask("stale", "hello", max_tokens=20, ignore_eos=True) == answer
        assert client.get("Packed", path_of("stale"), MODEL) == "used"
        # again and again would be a loop: the second time is for a new installation, or a new daemon
        client.call("Unload", "(sa{sv})", "stale", variants({"force": True}))
        alter(path, offset % os.path.getsize(path), data)
        assert client.ask("stale", "hello", max_tokens=20, ignore_eos=True) == answer
        assert client.get("Packed", path_of("stale"), MODEL) == "stale"
        install(client, "stale", model, draft=[model], weights="q8", replace=True)
    assert {"packing", "renewed", "used", "stale"} <= set(seen), seen
    assert client.get("Weights", path_of("stale"), MODEL) == "F16\u2192Q8_0"
    client.call("RemoveModel", "(sa{sv})", "stale", variants({}))


def replacing(daemon, client):
    before = client.ask("quick", "hello", max_tokens=8)
    digest = client.get("Digest", ROOT + "/model/quick", MODEL)
    install(client, "quick", fake_model(daemon, "quick2", end_after=60), replace=True)
    assert client.get("Digest", ROOT + "/model/quick", MODEL) != digest
    assert client.ask("quick", "hello", max_tokens=8) == before  # the same function of the past
    assert ".quick.new" not in os.listdir(daemon.models)


def introspection(daemon, client):
    compare_interface(client, ROOT, MANAGER)
    compare_interface(client, ROOT + "/model/quick", MODEL)
    path, stream = client.endless("slow-1.0")
    compare_interface(client, path, REQUEST)
    stream.close()


def properties(daemon, client):
    path = client.call("GetModel", "(s)", "slow-1.0")[0][0]
    everything = client.call("GetAll", "(s)", MODEL, path=path, interface="org.freedesktop.DBus.Properties")[0][0]
    assert everything["Name"] == "slow-1.0" and everything["Architecture"] == "fake", everything
    assert everything["ContextLength"] == 4096 and everything["CanChat"] and not everything["ReadOnly"], everything
    assert re.fullmatch("[0-9a-f]{64}", everything["Digest"]), everything
    assert not client.get("CanChat", ROOT + "/model/raw", MODEL)
    objects = client.call("GetManagedObjects", "()", interface="org.freedesktop.DBus.ObjectManager")[0][0]
    assert objects[ROOT + "/model/quick"][MODEL]["Name"] == "quick", objects


def asking(daemon, client):
    answer = client.ask("", "hello")
    assert answer and answer == client.ask("quick", "hello"), answer
    assert client.state("quick") == "loaded"
    assert client.get("MemoryUsed") > 0


def streaming(daemon, client):
    finished = []
    client.bus.signal_subscribe(NAME, REQUEST, "Finished", None, None, 0, lambda *a: finished.append((a[2], a[5].unpack())))
    path, stream = client.generate("quick", "hello", max_tokens=10, ignore_eos=True)
    events = stream.rest()
    done = done_of(events)
    text = "".join(e["text"] for e in events if e["type"] == "delta")
    assert text and done["finish_reason"] == "length" and done["usage"]["completion_tokens"] == 10, events
    until(lambda: finished)
    assert finished[0][0] == path, finished
    reason, usage, timings, error = finished[0][1]
    assert (reason, usage["completion_tokens"], error) == ("length", 10, ""), finished
    assert client.get("State", path, REQUEST) == "finished" and client.get("CompletionTokens", path, REQUEST) == 10
    client.cancel(path)  # fine when it has ended


def chatting(daemon, client):
    events = client.chat("quick", [{"role": "user", "content": "hello"}], max_tokens=5)[1].rest()
    assert done_of(events)["finish_reason"] in ("stop", "length"), events
    done = done_of(client.chat("raw", [{"role": "user", "content": "hello"}])[1].rest())
    assert done["error"]["name"] == ERROR + "NoChatTemplate", done
    fails(INVALID, client.chat, "quick", [])
    fails(INVALID, client.chat, "quick", [{"role": "", "content": "x"}])
    fails(INVALID, client.chat, "quick", [{"role": "user"}])
    fails(INVALID, client.chat, "quick", [{"role": "user", "content": "x", "colour": "red"}])
    assert client.ask("raw", "hello", max_tokens=4)


def wrong_options(daemon, client):
    assert "temperature" in fails(INVALID, client.generate, "quick", "x", temperature=3.0)
    assert "colour" in fails(INVALID, client.generate, "quick", "x", colour="red")
    fails(INVALID, client.generate, "quick", "x", max_tokens="many")
    fails(INVALID, client.call, "Load", "(sa{sv})", "quick", variants({"now": True}))
    fails(INVALID, client.call, "Unload", "(sa{sv})", "quick", variants({"force": "yes"}))
    fails(ERROR + "NoSuchModel", client.generate, "nobody", "x")
    fails(ERROR + "NoSuchModel", client.call, "Load", "(sa{sv})", "nobody", {})
    fails(ERROR + "NoSuchModel", client.call, "Tokenize", "(ssa{sv})", "nobody", "x", {})
    fails(INVALID, client.ask, "x" * 65, "x")
    done = done_of(client.generate("quick", "a" * 5000)[1].rest())
    assert done["error"]["name"] == ERROR + "ContextTooLong", done
    fails(ERROR + "ContextTooLong", client.ask, "quick", "a" * 5000)


def templates(daemon, client):
    def apply(model, messages, **options):
        messages = [{name: GLib.Variant("s", value) for name, value in message.items()} for message in messages]
        return client.call("ApplyTemplate", "(aa{sv}a{sv})", messages, variants(options), path=ROOT + "/model/" + encode(model), interface=MODEL)[0][0]

    hello = {"role": "user", "content": "<|end|> hello"}
    call = {"role": "assistant", "tool_calls": json.dumps([{"function": {"name": "f", "arguments": "{}"}}])}
    result = {"role": "tool", "content": "5", "tool_call_id": "1", "name": "f"}
    assert apply("quick", [hello]).endswith("<|user|><|end|> hello<|assistant|>")
    assert "<|assistant|>None<|end|><|assistant|>5<|end|>" in apply("quick", [hello, call, result], tools="[]", chat_template_kwargs="{}")
    assert "parrot" in fails(INVALID, apply, "quick", [{**hello, "parrot": "x"}])
    assert "tools" in fails(INVALID, apply, "quick", [hello], tools="{}")
    fails(INVALID, apply, "quick", [])
    fails(INVALID, apply, "quick", [{"role": "user"}])


def tokens(daemon, client):
    found = client.call("Tokenize", "(ssa{sv})", "quick", "hello", {})[0][0]
    assert found and client.call("Detokenize", "(saia{sv})", "quick", found, {})[0][0].strip() == "hello", found
    with_bos = client.call("Tokenize", "(ssa{sv})", "quick", "hello", variants({"bos": True}))[0][0]
    assert len(with_bos) == len(found) + 1, (with_bos, found)
    fails(INVALID, client.call, "Embed", "(sasa{sv})", "quick", [], {})
    try:
        vectors, n_tokens = client.call("Embed", "(sasa{sv})", "quick", ["hello", "you"], {})[0]
        assert len(vectors) == 2 and n_tokens > 0
    except GLib.Error as problem:  # a family without hidden states
        assert Gio.DBusError.get_remote_error(problem) == ERROR + "NotSupported", problem


def cancelling(daemon, client):
    path, stream = client.endless("slow-1.0")
    assert client.get("State", path, REQUEST) == "running"
    client.cancel(path)
    client.cancel(path)
    assert done_of(stream.rest())["finish_reason"] == "cancelled"
    until(lambda: client.get("ActiveRequests") == 0)


def reader_leaves(daemon, client):
    path, stream = client.endless("slow-1.0")
    stream.close()
    until(lambda: client.get("ActiveRequests") == 0)
    assert client.get("State", path, REQUEST) == "finished"


def caller_leaves(daemon, client):
    other = Client(daemon.address)
    path, stream = other.endless("slow-1.0")
    other.close()
    assert done_of(stream.rest())["finish_reason"] == "cancelled"
    until(lambda: client.get("ActiveRequests") == 0)


def worker_killed(daemon, client):
    path, stream = client.endless("slow-1.0")
    pid = daemon.workers()["slow-1.0"]
    os.kill(pid, signal.SIGKILL)
    done = done_of(stream.rest())
    assert done["finish_reason"] == "error" and done["error"]["name"] == ERROR + "WorkerDied", done
    assert "signal 9" in done["error"]["message"] and "slow-1.0" in done["error"]["message"], done
    assert client.ask("slow-1.0", "hello", max_tokens=3)
    assert daemon.workers()["slow-1.0"] != pid


def worker_killed_while_nobody_reads(daemon, client):
    """A full pipe, then a dead worker: the last line comes when there is room."""
    path, stream = client.endless("raw")
    fcntl.fcntl(stream.file, fcntl.F_SETPIPE_SZ, 4096)
    waiting = array.array("i", [0])
    until(lambda: fcntl.ioctl(stream.file, termios.FIONREAD, waiting) == 0 and waiting[0] > 4000)
    os.kill(daemon.workers()["raw"], signal.SIGKILL)
    until(lambda: client.get("State", path, REQUEST) == "finished")
    assert done_of(stream.rest())["error"]["name"] == ERROR + "WorkerDied"


def unloading(daemon, client):
    client.call("Load", "(sa{sv})", "quick", {})
    assert client.state("quick") == "loaded" and "quick" in daemon.workers()
    client.call("Unload", "(sa{sv})", "quick", {})
    assert client.state("quick") == "unloaded"
    client.call("Unload", "(sa{sv})", "quick", {})
    client.call("Load", "(a{sv})", {}, path=ROOT + "/model/quick", interface=MODEL)
    client.call("Unload", "(a{sv})", {}, path=ROOT + "/model/quick", interface=MODEL)
    path, stream = client.endless("slow-1.0")
    fails(ERROR + "ModelInUse", client.call, "Unload", "(sa{sv})", "slow-1.0", {})
    fails(ERROR + "ModelInUse", client.call, "RemoveModel", "(sa{sv})", "slow-1.0", {})
    client.call("Unload", "(sa{sv})", "slow-1.0", variants({"force": True}))
    assert client.state("slow-1.0") == "unloaded"
    assert done_of(stream.rest())["finish_reason"] == "cancelled"


def signals(daemon, client):
    states = []
    client.bus.signal_subscribe(NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", ROOT + "/model/quick",
                                None, 0, lambda *a: states.append(a[5].unpack()[1].get("State")))
    client.call("Load", "(sa{sv})", "quick", {})
    client.call("Unload", "(sa{sv})", "quick", {})
    until(lambda: states[-1:] == ["unloaded"])
    assert states == ["loading", "loaded", "unloaded"], states


def other_users(daemon, client):
    path, stream = client.endless("slow-1.0")
    seen = client.call("GetManagedObjects", "()", interface="org.freedesktop.DBus.ObjectManager")[0][0]
    assert path in seen, seen
    if os.geteuid() != 0:
        stream.close()
        return  # nobody else to be
    script = f"""
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from gi.repository import Gio, GLib
f = Gio.DBusConnectionFlags
bus = Gio.DBusConnection.new_for_address_sync({daemon.address!r}, f.AUTHENTICATION_CLIENT | f.MESSAGE_BUS_CONNECTION, None, None)
def call(path, interface, method, arguments):
    try:
        return bus.call_sync({NAME!r}, path, interface, method, arguments, None, 0, 10000, None).unpack()
    except GLib.Error as error:
        return Gio.DBusError.get_remote_error(error)
print(call({ROOT!r}, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None)[0].keys())
print(call({path!r}, "org.freedesktop.DBus.Properties", "GetAll", GLib.Variant("(s)", ({REQUEST!r},))))
print(call({path!r}, {REQUEST!r}, "Cancel", GLib.Variant("(a{{sv}})", ({{}},))))
print(call({ROOT!r}, {MANAGER!r}, "Ask", GLib.Variant("(ssa{{sv}})", ("", "x", {{}}))))
print(call({ROOT!r}, {MANAGER!r}, "ListModels", GLib.Variant("(a{{sv}})", ({{}},))))
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=TIMEOUT)
    lines = out.stdout.splitlines()
    assert len(lines) == 5, out
    assert "/model/quick" in lines[0] and "/request/" not in lines[0], lines
    assert "Unknown" in lines[1] and lines[2] == ERROR + "NoSuchRequest", lines
    assert lines[3] == "org.freedesktop.DBus.Error.AccessDenied" and "/model/quick" in lines[4], lines
    assert client.get("State", path, REQUEST) == "running"
    stream.close()


def broken_model(daemon, client):
    install(client, "broken", fake_model(daemon, "broken"))
    for name in os.listdir(os.path.join(daemon.models, "broken")):
        if not name.endswith(".json"):
            with open(os.path.join(daemon.models, "broken", name), "wb") as file:
                file.write(b"rubbish" * 100)
    message = fails(ERROR + "BadModel", client.call, "Load", "(sa{sv})", "broken", {})
    assert "broken" in message and "GGUF" in message, message  # the worker's own words
    again = fails(ERROR + "BadModel", client.ask, "broken", "hello")
    assert "Next try" in again, again
    assert client.state("broken") == "unloaded"
    client.call("RemoveModel", "(sa{sv})", "broken", {})
    assert "broken" not in os.listdir(daemon.models)


def eight_clients(daemon, client):
    """One reads nothing, one disappears; the others get what they would have got alone."""
    alone = client.ask("slow-1.0", "hello", max_tokens=40)
    clients = [Client(daemon.address) for _ in range(8)]
    lazy_path, lazy = clients[6].endless("slow-1.0")
    gone_path, gone = clients[7].endless("slow-1.0")
    answers = [None] * 6

    def run(i):
        answers[i] = clients[i].ask("slow-1.0", "hello", max_tokens=40)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    clients[7].close()
    for thread in threads:
        thread.join(TIMEOUT)
    assert answers == [alone] * 6, (alone, answers)
    assert done_of(gone.rest())["finish_reason"] == "cancelled"
    clients[6].cancel(lazy_path)
    assert done_of(lazy.rest())["finish_reason"] == "cancelled"
    until(lambda: client.get("ActiveRequests") == 0)


def limits(daemon, client):
    daemon.reload(MaxRequestsPerUser=2, MaxSequences=1, MemoryBudget="1G")
    first, second = (client.generate("slow-1.0", "hello", max_tokens=4000, ignore_eos=True) for _ in range(2))
    first[1].until("delta")
    assert client.get("State", second[0], REQUEST) == "queued" and client.get("QueuedRequests") == 1
    assert "2 requests" in fails(ERROR + "Busy", client.ask, "quick", "hello")
    second[1].close()  # while it waits
    until(lambda: client.get("QueuedRequests") == 0)
    client.cancel(first[0])
    assert done_of(first[1].rest())["finish_reason"] == "cancelled"
    daemon.reload(MemoryBudget="2G")


def memory_budget(daemon, client):
    """Room for one model that is about to load and nothing beside it."""
    for name in ("quick", "raw", "slow-1.0"):
        client.call("Unload", "(sa{sv})", name, variants({"force": True}))
    daemon.reload(MemoryBudget=64 * 1024 * 1024)
    assert client.ask("quick", "hello", max_tokens=3)
    assert client.ask("raw", "hello", max_tokens=3)  # quick is idle and goes
    assert (client.state("quick"), client.state("raw")) == ("unloaded", "loaded")
    path, stream = client.endless("slow-1.0")
    waits, queued = client.generate("quick", "hello", max_tokens=3)
    assert client.get("State", waits, REQUEST) == "queued"  # slow-1.0 is in use
    client.cancel(path)
    assert done_of(queued.rest())["finish_reason"] == "length"
    stream.close()
    daemon.reload(MemoryBudget=1024 * 1024)
    assert "MemoryBudget" in fails(ERROR + "Busy", client.ask, "raw", "hello")
    daemon.reload(MemoryBudget="2G")


def idle_exit(daemon, client):
    client.call("Unload", "(sa{sv})", "quick", {})
    daemon.reload(IdleTimeoutSec=1, MemoryBudget="3G")
    assert client.ask("quick", "hello", max_tokens=3)
    until(lambda: client.state("quick") == "unloaded")
    until(lambda: "quick" not in daemon.workers())
    assert client.ask("quick", "hello", max_tokens=3)
    daemon.reload(MemoryBudget="2G")


def bad_reload(daemon, client):
    good = open(daemon.config_file).read()
    with open(daemon.config_file, "a") as file:
        file.write("Nonsense=1\n")
    daemon.process.send_signal(signal.SIGHUP)
    assert client.ask("quick", "hello", max_tokens=3)
    open(daemon.config_file, "w").write(good)


def removing(daemon, client):
    fails(ERROR + "NoSuchModel", client.call, "RemoveModel", "(sa{sv})", "nobody", {})
    fails(INVALID, client.call, "RemoveModel", "(sa{sv})", "", {})
    client.call("Load", "(sa{sv})", "quick", {})
    client.call("RemoveModel", "(sa{sv})", "quick", {})
    assert "quick" not in os.listdir(daemon.models) and "quick" not in daemon.workers()
    assert client.get("DefaultModel") == "raw"


def restarting(daemon, client):
    """A clean stop ends workers and requests; what a former daemon left half-done is cleaned away."""
    path, stream = client.endless("slow-1.0")
    assert daemon.stop() == 0
    assert done_of(stream.rest())["finish_reason"] == "cancelled"
    until(lambda: not daemon.workers())
    os.mkdir(os.path.join(daemon.models, ".half.new"))
    os.mkdir(os.path.join(daemon.models, "no-manifest"))
    client = daemon.start()
    assert ".half.new" not in os.listdir(daemon.models)
    assert client.call("ListModels", "(a{sv})", {})[0][0] == [f"{ROOT}/model/raw", f"{ROOT}/model/{encode('slow-1.0')}"]
    assert client.ask("slow-1.0", "hello", max_tokens=3)


TESTS = [empty_library, installing, install_errors, install_cancelled, install_options,
         install_option_errors, stale_packed_files, replacing, introspection, properties, asking,
         streaming, chatting, wrong_options, tokens, templates, cancelling, reader_leaves, caller_leaves, worker_killed,
         worker_killed_while_nobody_reads, unloading, signals, other_users, broken_model, eight_clients, limits,
         memory_budget, idle_exit, bad_reload, removing, restarting]


def start_problems(directory):
    """Clear words instead of a running service."""
    environment = {k: v for k, v in os.environ.items() if k not in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")}
    def run(*arguments):
        return subprocess.run([PROGRAM, *arguments], env={**environment, "HOME": directory}, capture_output=True,
                              text=True, timeout=TIMEOUT)
    result = run("--user", "--set", f"Service.WorkerExecutable={WORKER}")
    assert result.returncode == 1 and "session bus" in result.stderr, result
    config = os.path.join(directory, "wrong.conf")
    open(config, "w").write("[Limits]\nThreads=many\n")
    result = run("--user", "--config", config)
    assert result.returncode == 78 and "wrong.conf:2" in result.stderr, result
    result = run("--user", "--set", "Service.WorkerExecutable=/nonexistent")
    assert result.returncode == 1 and "/nonexistent" in result.stderr, result


def with_client(test, daemon):
    test(daemon, daemon.client)  # another one when the daemon was started again


def stopping(daemon, client):
    assert daemon.stop() == 0


def main():
    wanted = sys.argv[6:]
    with tempfile.TemporaryDirectory(prefix="ryzen-llm-") as directory:
        os.chmod(directory, 0o755)
        daemon = Daemon(directory)
        daemon.configure(MemoryBudget="2G")
        try:
            daemon.start()
            status = tap.run([("start_problems", start_problems, directory),
                              *((test.__name__, with_client, test, daemon) for test in [*TESTS, stopping])],
                             [*wanted, "installing", "stopping"] if wanted else ())
        finally:
            if daemon.process and daemon.process.poll() is None:
                daemon.process.kill()
            daemon.bus.terminate()
            daemon.bus.wait()
    sys.exit(status)


main()
