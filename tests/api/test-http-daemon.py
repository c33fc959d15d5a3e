#!/usr/bin/env python3
"""HTTP through everything: ryzen-llmd --user on a bus of its own, its socket, a real worker and a small model whose text is a plain
function of its past.

Usage: test-http-daemon.py RYZEN_LLMD RYZEN_LLM_WORKER MAKE_FAKE_MODEL"""
import concurrent.futures
import glob
import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import tap

DAEMON, WORKER, MAKE_MODEL = sys.argv[1:4]
HELLO = [{"role": "user", "content": "hello"}]


class Service:
    def __init__(self, directory):
        self.path = os.path.join(directory, "http.sock")
        models = os.path.join(directory, "models")
        for name, delay in (("quick", "0"), ("slow", "20000"), ("raw", "0")):
            self.install(os.path.join(models, name), name, delay)
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True)
        environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip()}
        options = {"Service.DefaultModel": "quick", "Service.ModelDirectories": models, "Service.WorkerExecutable": WORKER,
                   "Service.RuntimeDirectory": directory + "/run", "Limits.Threads": 1, "Limits.MaxRequestsPerUser": 8}
        self.bus = bus
        self.process = subprocess.Popen(
            [DAEMON, "--user", "--config", "/dev/null", "--supervisor", "spawn", "--http-socket", self.path,
             *(f"--set={name}={value}" for name, value in options.items())], env=environment)
        self.wait_for_socket()

    @staticmethod
    def install(place, name, delay):
        os.makedirs(place)
        model = os.path.join(place, "model.gguf")
        subprocess.run([MAKE_MODEL, model, "0", delay, "0" if name == "raw" else "1"], check=True)
        subprocess.run([WORKER, "--pack", "--model", model, "--output", place, "--name", name], check=True, stdout=subprocess.DEVNULL)

    def wait_for_socket(self):
        """Connecting again is the only way to learn that somebody listens."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return self.connect().close()
            except OSError:
                time.sleep(0.02)
        raise SystemExit("the daemon does not come up")

    def connect(self):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(60)
        peer.connect(self.path)
        return peer

    def workers(self):
        """Process numbers of running workers."""
        return [int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*/stat")
                if (fields := read(path).rsplit(")", 1)[-1].split())[1:2] == [str(self.process.pid)] and fields[0] != "Z"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=20)
        self.bus.terminate()
        self.bus.wait()
        return status


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ") "


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, service):
        super().__init__("localhost")
        self.service = service

    def connect(self):
        self.sock = self.service.connect()


def post(service, path, body):
    connection = UnixConnection(service)
    connection.request("POST", path, json.dumps(body))
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if not response.headers["Content-Type"].startswith("text/event-stream"):
        return response.status, json.loads(text)
    events = [event.removeprefix("data: ") for event in text.decode()[:-2].split("\n\n")]
    assert events.pop() == "[DONE]"
    return response.status, [json.loads(event) for event in events]


def chat(service, model="quick", **more):
    return post(service, "/v1/chat/completions", {"model": model, "messages": HELLO, "max_tokens": 16, "temperature": 0, "ignore_eos": True, **more})


def completion(service, model="quick", **more):
    return post(service, "/v1/completions", {"model": model, "prompt": "hello", "max_tokens": 16, "temperature": 0, "ignore_eos": True, **more})


def text_of(answer):
    status, body = answer
    assert status == 200, body
    return [choice.get("text") or choice["message"]["content"] for choice in body["choices"]]


def answers(service):
    status, body = chat(service)
    assert status == 200 and body["choices"][0]["finish_reason"] == "length", body
    assert body["usage"]["completion_tokens"] == 16 and body["usage"]["prompt_tokens"] > 5
    assert body["system_fingerprint"].startswith("fp_") and len(body["system_fingerprint"]) > 8
    assert text_of(chat(service)) == text_of(chat(service, "default"))
    assert text_of(completion(service, "raw")) == text_of(completion(service, "raw"))


def streams(service):
    for call, get in ((chat, lambda choice: choice["delta"].get("content", "")), (completion, lambda choice: choice["text"])):
        status, events = call(service, stream=True, stream_options={"include_usage": True})
        assert status == 200 and events.pop()["usage"]["completion_tokens"] == 16
        assert "".join(get(event["choices"][0]) for event in events) == text_of(call(service))[0]


def stops(service):
    whole = text_of(completion(service))[0]
    stop = whole[5:7]
    status, body = completion(service, stop=stop)
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["text"] == whole[:whole.index(stop)]


def seeds(service):
    hot = {"temperature": 2, "top_k": 0, "top_p": 1, "min_p": 0}
    one, again, other = (text_of(completion(service, seed=seed, **hot)) for seed in (1, 1, 2))
    assert one == again != other
    assert text_of(completion(service, seed=1, n=2, **hot)) == one + other


CONTROL = re.compile(r"<\|?[a-z]+\|?>|</s>")  # tokens that are named and have no text


def log_probabilities(service):
    hot = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "seed": 5, "max_tokens": 60}
    for n in (0, 3, 20):
        status, body = chat(service, logprobs=True, top_logprobs=n, **hot)
        choice = body["choices"][0]
        content = choice["logprobs"]["content"]
        assert status == 200 and len(content) == 60, body
        assert choice["message"]["content"] == text_of(chat(service, **hot))[0]
        said = b"".join(bytes(token["bytes"]) for token in content if not CONTROL.fullmatch(token["token"]))
        assert said.decode(errors="replace").replace("\0", "\ufffd") == choice["message"]["content"], (said, choice)
        for token in content:
            top = [other["logprob"] for other in token["top_logprobs"]]
            assert len(top) == n and top == sorted(top, reverse=True) and token["logprob"] <= max(top + [0])
            assert sum(map(math.exp, top)) < 1 + 1e-5
        _, events = chat(service, logprobs=True, top_logprobs=n, stream=True, **hot)
        streamed = [token for event in events for token in (event["choices"][0]["logprobs"] or {"content": []})["content"]]
        assert streamed == content
        _, body = completion(service, prompt=HELLO[0]["content"], logprobs=n, **hot)
        choice = body["choices"][0]
        assert all(len(choice["logprobs"][name]) == 60 for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"))
        names, offsets = choice["logprobs"]["tokens"], choice["logprobs"]["text_offset"]
        for i in range(1, 59):  # a half character is text when it turns out to stay one
            if not any(name.startswith("bytes:") for name in names[i - 1:i + 2]):
                assert choice["text"][offsets[i]:offsets[i + 1]] == CONTROL.sub("", names[i]), (i, choice)
    _, body = chat(service)
    assert body["choices"][0]["logprobs"] is None
    status, body = chat(service, logprobs=True)
    content = body["choices"][0]["logprobs"]["content"]
    stop = "".join(CONTROL.sub("", token["token"]) for token in content[4:7])
    first = body["choices"][0]["message"]["content"].index(stop)
    status, body = chat(service, logprobs=True, stop=stop)
    choice = body["choices"][0]
    assert "".join(CONTROL.sub("", token["token"]) for token in choice["logprobs"]["content"]) == choice["message"]["content"], choice
    assert len(choice["message"]["content"]) == first


def biases(service):
    status, body = chat(service, logprobs=True, top_logprobs=2)
    best, second = body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    for bias in ([[30, 100]], {"30": 100}):
        text = text_of(completion(service, logit_bias=bias))[0]
        assert len(text) == 16 and len(set(text)) == 1, text
    letter = text[0]
    for bias in ([[30, False]], {"30": -100}):
        assert letter not in text_of(completion(service, logit_bias=bias, temperature=1.5, max_tokens=100))[0]
    status, body = completion(service, logit_bias={"100000": 1})
    assert status == 400 and "100000" in body["error"]["message"], body


def samplers(service):
    hot = {"temperature": 1.5, "seed": 3, "top_k": 0, "top_p": 1, "min_p": 0, "max_tokens": 100}
    plain = text_of(completion(service, **hot))[0]
    assert text_of(completion(service, **{**hot, "samplers": ["temperature"]}))[0] == plain
    for more in ({"top_n_sigma": 0.5}, {"typical_p": 0.2}, {"xtc_probability": 1, "xtc_threshold": 1e-5}, {"mirostat": 2, "mirostat_tau": 1},
                 {"dynatemp_range": 1}, {"dry_multiplier": 50, "dry_allowed_length": 1, "dry_sequence_breakers": []},
                 {"samplers": []}, {"repeat_penalty": 1.9, "repeat_last_n": -1}):
        answer = text_of(completion(service, **{**hot, **more}))[0]
        assert answer != plain, more
        assert answer == text_of(completion(service, **{**hot, **more}))[0], more
    text = text_of(completion(service, temperature=0, dry_multiplier=100, dry_allowed_length=1, dry_sequence_breakers=[], max_tokens=100))[0]
    pairs = [text[i:i + 3] for i in range(len(text) - 2)]
    assert len(pairs) - len(set(pairs)) <= 3, text
    for name, value in (("samplers", ["nothing"]), ("mirostat", 3), ("xtc_probability", 2)):
        status, body = completion(service, **{name: value})
        assert (status, body["error"]["param"]) == (400, name) and "must be" in body["error"]["message"], body


def at_once(service):
    """The text of one does not depend on who else is in the batch."""
    prompts = [f"prompt {chr(97 + i)}" for i in range(8)]
    alone = [text_of(completion(service, prompt=prompt))[0] for prompt in prompts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda prompt: text_of(completion(service, prompt=prompt))[0], prompts))
    assert alone == together
    assert text_of(completion(service, prompt=prompts)) == alone


def templates(service):
    status, body = post(service, "/apply-template", {"messages": HELLO})
    assert status == 200 and body["prompt"].endswith(f"<|user|>{HELLO[-1]['content']}<|assistant|>"), body
    status, body = post(service, "/apply-template", {"model": "raw", "messages": HELLO})
    assert (status, body["error"]["code"]) == (400, "no_chat_template"), body


def refusals(service):
    for call, model, status, code in ((chat, "none", 404, "model_not_found"), (chat, "raw", 400, "no_chat_template")):
        for stream in (False, True):
            got, body = call(service, model, stream=stream)
            assert (got, body["error"]["code"]) == (status, code), body
    status, body = completion(service, prompt="hello " * 4000)
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "context_length_exceeded", "prompt"), body


def start_slow(service, **more):
    peer = service.connect()
    data = json.dumps({"model": "slow", "prompt": "x", "max_tokens": 2000, "ignore_eos": True, "stream": True, **more}).encode()
    peer.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    answer = b""
    while b"data: " not in answer:
        piece = peer.recv(65536)
        assert piece, answer
        answer += piece
    return peer


def vanishing_frees_the_place(service):
    """All places of the user are taken by readers that leave; the next request finds room."""
    peers = [start_slow(service) for _ in range(8)]
    status, body = completion(service, "slow")
    assert (status, body["error"]["code"]) == (503, "busy"), body
    for peer in peers:
        peer.close()
    deadline = time.monotonic() + 20
    while (answer := completion(service, "slow", max_tokens=1))[0] == 503 and time.monotonic() < deadline:
        pass  # each try is an event of its own: a place was free or not
    assert answer[0] == 200, answer


def a_worker_that_dies(service):
    with start_slow(service) as peer:
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
        rest = b""
        while piece := peer.recv(65536):
            rest += piece
    last = json.loads(rest.split(b"data: ")[-1])
    assert last["error"]["code"] == "worker_died", last
    # The next request starts a new one. (That the other models' workers are gone, the daemon may not have seen yet.)
    answer = chat(service, "slow")
    assert answer[0] == 200, answer


CASES = [answers, streams, stops, seeds, log_probabilities, biases, samplers, at_once, templates, refusals, vanishing_frees_the_place, a_worker_that_dies]


def stops_cleanly(service):
    with start_slow(service):
        assert service.stop() == 0


def main():
    if not shutil.which("dbus-daemon"):
        tap.skip("dbus-daemon is not installed")
    with tempfile.TemporaryDirectory() as directory:
        service = Service(directory)
        status = tap.run(tap.named([*CASES, stops_cleanly], service))
        for process in (service.process, service.bus):
            if process.poll() is None:
                process.kill()
    sys.exit(status)


if __name__ == "__main__":
    main()
