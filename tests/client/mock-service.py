#!/usr/bin/env python3
"""A stand-in for ryzen-llmd on the session bus, to see the client through what a real one seldom does.

Usage: mock-service.py FOLDER_OF_INTERFACES

It serves the reviewed XML. What a generation does is said by the first word of its prompt (see Generation); any other
prompt is answered with "You said: PROMPT". What it was asked and what became of it is reported on stdout, one JSON
object a line; the first line says that it is ready.
"""
import json
import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

BUS_NAME = "org.ryzenllm1"
ROOT = "/org/ryzenllm1"
ERROR = "org.ryzenllm1.Error."
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"

MODELS = {
    "tiny": {"CanChat": True, "State": "loaded", "Title": "Tiny\x1b[31m model", "MemoryUsed": 3 << 20,
             "TernaryLayouts": "2560: t2 (t2 1.00, t1.6 0.90)"},
    "plain": {"CanChat": False, "State": "unloaded", "Title": "No template"},
    "builtin": {"CanChat": True, "State": "unloaded", "Title": "Came with the system", "ReadOnly": True},
}
MODEL_DEFAULTS = {
    "Architecture": "bitnet", "Family": "transformer", "Weights": "TQ2_0", "Parameters": 2_400_000_000,
    "Size": 1_500_000_000, "Digest": "ab" * 32, "ContextLength": 4096, "VocabularySize": 32000, "ReadOnly": False,
    "MemoryUsed": 0, "ActiveRequests": 0, "KvType": "F16", "DraftModel": "", "DraftWeights": "", "Packed": "used",
    "TernaryLayouts": "",
}
MANAGER = {
    "Version": "9.9", "DefaultModel": "tiny", "MemoryBudget": 8 << 30, "MemoryUsed": 3 << 20, "ActiveRequests": 1,
    "QueuedRequests": 2,
}
USAGE = {"prompt_tokens": 7, "cached_tokens": 3, "completion_tokens": 5, "drafted_tokens": 0, "accepted_tokens": 0}
TIMINGS = {"queue_ms": 0.5, "prompt_ms": 20.0, "generate_ms": 50.0, "prompt_per_second": 200.0,
           "tokens_per_second": 100.0}


def report(**event):
    print(json.dumps(event), flush=True)


class Refused(Exception):
    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


class Generation:
    """One request and its stream. Each method named play_WORD is what a prompt that begins with !WORD does."""

    def __init__(self, service, prompt):
        self.service = service
        self.prompt = prompt
        self.path = service.add_request(self)
        self.read_fd, self.write_fd = os.pipe()
        self.timer = 0
        self.n_ticks = 0

    def start(self):
        word = self.prompt.split(" ")[0]
        play = getattr(self, "play_" + word[1:], None) if word.startswith("!") else None
        (play or self.play)()

    def write(self, line):
        if self.write_fd < 0:
            return False
        try:
            os.write(self.write_fd, line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
            return True
        except BrokenPipeError:
            self.close()
            report(event="reader-gone")
            return False

    def delta(self, text):
        return self.write({"type": "delta", "text": text})

    def done(self, reason="stop", error=None):
        line = {"type": "done", "finish_reason": reason, "usage": USAGE, "timings": TIMINGS, "new_member": 1}
        if error:
            line["error"] = {"name": error[0], "message": error[1]}
        if self.write(line):
            report(event="finished", reason=reason)
        self.close()

    def close(self):
        if self.timer:
            GLib.source_remove(self.timer)
        self.timer = 0
        if self.write_fd >= 0:
            os.close(self.write_fd)
        self.write_fd = -1
        self.service.remove_request(self.path)

    def cancel(self):
        report(event="cancel")
        self.done("cancelled")

    def every(self, msec, tick):
        def run():
            self.n_ticks += 1
            tick()
            return self.write_fd >= 0
        self.timer = GLib.timeout_add(msec, run)

    def play(self):
        for piece in ("You said: ", *self.prompt.splitlines(keepends=True)):
            self.delta(piece)
        self.write({"type": "something-new", "text": "not an answer"})
        self.done()

    def play_slow(self):
        """Goes on until it is stopped."""
        self.every(20, lambda: self.delta(f"word{self.n_ticks} "))

    def play_flood(self):
        """More than all pipes on the way hold; reports when the client has stopped reading."""
        os.set_blocking(self.write_fd, False)

        self.n_stuck = 0

        def tick():
            try:
                for _ in range(1000):
                    os.write(self.write_fd, b'{"type":"delta","text":"' + b"x" * 4000 + b'"}\n')
                    self.n_stuck = 0
            except BlockingIOError:
                self.n_stuck += 1
                if self.n_stuck == 10:
                    report(event="flooded")
            except BrokenPipeError:
                self.close()
        self.every(20, tick)

    def play_died(self):
        self.delta("half an ans")
        self.done("error", (ERROR + "WorkerDied", "The worker of model tiny died."))

    def play_length(self):
        self.delta("cut")
        self.done("length")

    def play_broken(self):
        self.delta("half")
        self.close()

    def play_garbage(self):
        self.write(b"this is not JSON\n")
        self.close()

    def play_endless_line(self):
        self.write(b'{"type":"delta","text":"' + b"x" * 5000)

    def play_escape(self):
        self.delta("red\x1b[31m\x07 \u009b2J tab\tend")
        self.done()

    def play_nothing(self):
        self.done()

    def play_progress(self):
        """The prompt takes a while; the answer begins when the client has seen that."""
        def tick():
            self.write({"type": "progress", "done": min(self.n_ticks * 100, 500), "total": 500})
            if self.n_ticks >= 5:
                self.delta("read")
                self.done()
        self.every(60, tick)

    def play_environment(self):
        """Pieces of one character, in small writes that split lines."""
        for line in (b'{"type":"del', b'ta","text":"\xc3', b'\xa9"}\n{"type":"delta","text":"!"}\n'):
            self.write(line)
        self.done()


class Installation(Generation):
    def start(self):
        if self.prompt == "bad":
            return self.done("error", (ERROR + "BadModel", "The file is no GGUF file."))
        n_ticks = 1000 if self.prompt == "slow" else 6

        def tick():
            stage = "copy" if self.n_ticks * 2 <= n_ticks else "pack"
            self.write({"type": "progress", "stage": stage, "done": self.n_ticks * 10, "total": n_ticks * 10})
            if self.n_ticks == n_ticks:
                if self.prompt == "small":
                    for stage, before in (("draft", 1 << 30), ("pack", 15 << 30)):
                        self.write({"type": "requantised", "stage": stage, "from": "F16", "to": "Q8_0", "matrices": 225,
                                    "bytes_before": before, "bytes_after": before // 2, "worst_error": 0.0061})
                self.service.add_installed(self.prompt)
                self.done()
        self.every(50, tick)


class Service:
    def __init__(self, connection, folder):
        self.connection = connection
        self.interfaces = {}
        for name in ("Manager", "Model", "Request"):
            with open(os.path.join(folder, f"{BUS_NAME}.{name}.xml"), encoding="utf-8") as file:
                self.interfaces[name] = Gio.DBusNodeInfo.new_for_xml(file.read()).interfaces[0]
        self.models = {name: {**MODEL_DEFAULTS, **model, "Name": name} for name, model in MODELS.items()}
        self.installed = {}  # paths of models that no list has
        self.requests = {}
        self.n_requests = 0
        self.register(ROOT, "Manager", self.manager_call, lambda name: MANAGER[name])
        for name in self.models:
            self.register(self.model_path(name), "Model", None, lambda key, name=name: self.models[name][key])

    def add_installed(self, name):
        model = {**MODEL_DEFAULTS, "Name": name, "CanChat": True, "State": "unloaded", "Title": name}
        if name == "ternary":
            model["TernaryLayouts"] = "4096: t1.6 (t2 1.00, t1.6 1.17)"
        self.installed[name] = self.model_path(f"installed{len(self.installed)}")
        self.register(self.installed[name], "Model", None, model.get)

    @staticmethod
    def model_path(name):
        return f"{ROOT}/model/{name}"

    def register(self, path, interface, call, get):
        info = self.interfaces[interface]

        def on_call(connection, sender, path, interface, method, parameters, invocation):
            try:
                call(method, parameters, invocation)
            except Refused as error:
                invocation.return_dbus_error(error.name, str(error))

        def on_get(connection, sender, path, interface, name):
            return GLib.Variant(info.lookup_property(name).signature, get(name))

        return self.connection.register_object(path, info, on_call, on_get, None)

    def add_request(self, request):
        self.n_requests += 1
        path = f"{ROOT}/request/{self.n_requests}"

        def call(method, parameters, invocation):
            request.cancel()
            invocation.return_value(None)
        self.requests[path] = self.register(path, "Request", call, lambda name: None)
        return path

    def remove_request(self, path):
        if path in self.requests:
            self.connection.unregister_object(self.requests.pop(path))

    def check_model(self, name):
        name = name or "tiny"
        if name not in self.models:
            raise Refused(ERROR + "NoSuchModel", f'There is no model "{name}".')
        return name

    def manager_call(self, method, parameters, invocation):
        arguments = parameters.unpack()
        report(event="call", method=method, arguments=arguments)
        getattr(self, "do_" + method)(invocation, *arguments)

    def accept(self, invocation, request):
        fds = Gio.UnixFDList.new()
        index = fds.append(request.read_fd)
        os.close(request.read_fd)
        invocation.return_value_with_unix_fd_list(GLib.Variant("(oh)", (request.path, index)), fds)
        request.start()

    def do_Generate(self, invocation, model, prompt, options):
        self.check_model(model)
        if prompt.startswith("!busy"):
            raise Refused(ERROR + "Busy", "Too many requests wait.")
        if prompt.startswith("!denied"):
            raise Refused(ACCESS_DENIED, "Not authorized.")
        if prompt.startswith("!pending"):
            return report(event="pending")
        self.accept(invocation, Generation(self, prompt))

    def do_Chat(self, invocation, model, messages, options):
        self.do_Generate(invocation, model, messages[-1]["content"], options)

    def do_Tokenize(self, invocation, model, text, options):
        invocation.return_value(GLib.Variant("(ai)", (list(range(len(text.split()))),)))

    def do_Detokenize(self, invocation, model, tokens, options):
        invocation.return_value(GLib.Variant("(s)", (" ".join("w" for _ in tokens),)))

    def do_Load(self, invocation, model, options):
        self.check_model(model)
        invocation.return_value(None)

    def do_Unload(self, invocation, model, options):
        if self.check_model(model) == "tiny" and not options.get("force"):
            raise Refused(ERROR + "ModelInUse", "Model tiny is in use.")
        invocation.return_value(None)

    def do_InstallModel(self, invocation, name, file, options):
        if name in self.models and not options.get("replace"):
            raise Refused(ERROR + "ModelExists", f"There is a model {name} already.")
        fds = invocation.get_message().get_unix_fd_list()
        for index in [file, *options.get("parts", []), *options.get("draft", [])]:
            fd = fds.get(index)
            report(event="file", content=os.pread(fd, 100, 0).decode())
            os.close(fd)
        self.accept(invocation, Installation(self, name))

    def do_RemoveModel(self, invocation, name, options):
        if self.models[self.check_model(name)]["ReadOnly"]:
            raise Refused(ERROR + "ReadOnly", f"Model {name} came with the system.")
        invocation.return_value(None)

    def do_ListModels(self, invocation, options):
        invocation.return_value(GLib.Variant("(ao)", ([self.model_path(name) for name in self.models],)))

    def do_GetModel(self, invocation, name):
        path = self.installed.get(name) or self.model_path(self.check_model(name))
        invocation.return_value(GLib.Variant("(o)", (path,)))


def main():
    loop = GLib.MainLoop()
    Gio.bus_own_name(Gio.BusType.SESSION, BUS_NAME, Gio.BusNameOwnerFlags.DO_NOT_QUEUE,
                     lambda connection, name: Service(connection, sys.argv[1]),
                     lambda connection, name: report(event="ready"),
                     lambda connection, name: loop.quit())
    loop.run()


if __name__ == "__main__":
    main()
