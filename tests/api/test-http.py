#!/usr/bin/env python3
"""The HTTP door from outside, in front of a double of the service (fake-service.c says what its models do).

Usage: test-http.py HTTP_DOOR [TEST...]"""
import concurrent.futures
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import tap

KEY = "test-key-0123456789"
OTHER_KEY = "another-key-0123456789"
HELLO = [{"role": "user", "content": "one two three four"}]
ERROR_KEYS = {"message", "type", "param", "code"}
USAGE_KEYS = {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}


class Door:
    """The program under test, and the lines in which its service tells what happens."""

    def __init__(self, program, directory):
        self.path = os.path.join(directory, "http.sock")
        self.key_file = os.path.join(directory, "keys")
        with open(self.key_file, "w") as file:
            file.write(f"# keys\n{KEY}\n{OTHER_KEY}\n")
        self.process = subprocess.Popen([program, self.path, self.key_file], stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.port = int(self.wait("port")[0])

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.split())

    def wait(self, word, number=None, seconds=20):
        """The rest of the next line that starts with `word` (and number)."""
        deadline = time.monotonic() + seconds
        while True:
            line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.001))
            if line[0] == word and number in (None, *line[1:2]):
                return line[1:]

    def drop_lines(self):
        while not self.lines.empty():
            self.lines.get()

    def connect(self):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(30)
        peer.connect(self.path)
        return peer

    def connect_tcp(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, door):
        super().__init__("localhost")
        self.door = door

    def connect(self):
        self.sock = self.door.connect()


def call(door, method, path, body=None, headers=None, connection=None):
    own = connection or UnixConnection(door)
    data = json.dumps(body) if isinstance(body, (dict, list)) else body
    own.request(method, path, data, headers or {})
    response = own.getresponse()
    text = response.read()
    if not connection:
        own.close()
    return response, text


def post(door, path, body, **more):
    response, text = call(door, "POST", path, body, **more)
    return response, json.loads(text)


def chat(door, model, **more):
    return post(door, "/v1/chat/completions", {"model": model, "messages": HELLO, **more})


def completion(door, model, **more):
    return post(door, "/v1/completions", {"model": model, "prompt": "one two three four", **more})


def stream(door, path, body):
    """(status, headers, list of events); the last is "[DONE]" of a stream that ended well."""
    response, text = call(door, "POST", path, {"stream": True, **body})
    if response.status != 200:
        return response, [json.loads(text)]
    assert text.endswith(b"\n\n"), text[-50:]
    events = [event.removeprefix("data: ") for event in text.decode()[:-2].split("\n\n")]
    return response, [event if event == "[DONE]" else json.loads(event) for event in events]


def check_error(response, body, status, code, param=None):
    assert response.status == status, (response.status, body)
    assert response.headers["Content-Type"] == "application/json"
    assert set(body) == {"error"} and set(body["error"]) == ERROR_KEYS, body
    error = body["error"]
    assert (error["code"], error["param"]) == (code, param), error
    assert error["message"] and error["type"] in ("invalid_request_error", "server_error"), error


# ---- What it answers ----

def health(door):
    response, body = call(door, "GET", "/health")
    assert (response.status, json.loads(body)) == (200, {"status": "ok"})
    response, body = call(door, "HEAD", "/health")
    assert (response.status, body) == (200, b"") and int(response.headers["Content-Length"]) > 0


def models(door):
    response, body = call(door, "GET", "/v1/models?x=y")
    body = json.loads(body)
    assert body["object"] == "list" and body["data"][0]["id"] == "echo" and len(body["data"]) > 5
    assert all(set(model) == {"id", "object", "created", "owned_by"} for model in body["data"])
    response, body = call(door, "GET", "/v1/models/slow")
    assert json.loads(body) == {"id": "slow", "object": "model", "created": 1700000000, "owned_by": "ryzen-llm"}
    response, body = call(door, "GET", "/v1/models/default")
    assert json.loads(body)["id"] == "echo"
    for name in ("none", "%ff%fe", "x" * 9000):
        response, body = call(door, "GET", "/v1/models/" + name)
        check_error(response, json.loads(body), 404, "model_not_found", "model")


def chat_whole(door):
    response, body = chat(door, "echo")
    assert response.status == 200 and response.headers["Content-Type"] == "application/json"
    assert set(body) == {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}, body
    assert body["object"] == "chat.completion" and body["model"] == "echo" and body["id"].startswith("chatcmpl-")
    assert abs(body["created"] - time.time()) < 60
    assert body["choices"] == [{"index": 0, "logprobs": None, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "one two three four", "refusal": None}}], body
    usage = body["usage"]
    assert set(usage) == USAGE_KEYS
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 4, 11)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 3
    assert usage["completion_tokens_details"]["rejected_prediction_tokens"] == 3


def completion_whole(door):
    response, body = completion(door, "default")
    assert body["object"] == "text_completion" and body["model"] == "echo"
    assert body["choices"] == [{"index": 0, "logprobs": None, "finish_reason": "stop", "text": "one two three four"}]


def chat_stream(door):
    response, events = stream(door, "/v1/chat/completions", {"model": "echo", "messages": HELLO})
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache"
    assert events.pop() == "[DONE]"
    assert len({(event["id"], event["created"]) for event in events}) == 1
    assert all(event["object"] == "chat.completion.chunk" and "usage" not in event for event in events)
    choices = [event["choices"][0] for event in events]
    assert all(set(choice) == {"index", "delta", "logprobs", "finish_reason"} for choice in choices)
    assert choices[0]["delta"]["role"] == "assistant" and choices[-1]["delta"] == {}
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "one two three four"
    assert [choice["finish_reason"] for choice in choices] == [None] * 5 + ["stop"]


def completion_stream(door):
    response, events = stream(door, "/v1/completions", {"model": "echo", "prompt": "a b", "max_tokens": 1})
    assert events.pop() == "[DONE]"
    assert [(event["choices"][0]["text"], event["choices"][0]["finish_reason"]) for event in events] == [
        ("a", None), ("", "length")]


def usage_chunk(door):
    response, events = stream(door, "/v1/chat/completions", {
        "model": "echo", "messages": HELLO, "stream_options": {"include_usage": True}})
    assert events.pop() == "[DONE]"
    last = events.pop()
    assert last["choices"] == [] and last["usage"]["total_tokens"] == 11
    assert all(event["usage"] is None for event in events)


def options_arrive(door):
    response, body = chat(door, "options", temperature=0.5, seed=7, stop=["x", "y"], max_completion_tokens=5, top_k=2)
    text = body["choices"][0]["message"]["content"]
    for part in ("temperature=0.5 ", "seed=7 ", "stop=x|y ", "max_tokens=5 ", "top_k=2 ", "roles=user,", f"uid={os.getuid()}"):
        assert part in text, text
    text = chat(door, "options")[1]["choices"][0]["message"]["content"]
    assert "temperature=0.8 " in text and "max_tokens=512 " in text, text


def stop_and_length(door):
    body = chat(door, "echo", stop="three")[1]
    assert body["choices"][0]["message"]["content"] == "one two "
    body = chat(door, "echo", max_tokens=2)[1]
    assert (body["choices"][0]["message"]["content"], body["choices"][0]["finish_reason"]) == ("one two", "length")


def text_of(body):
    return [choice["message"]["content"] for choice in body["choices"]]


def seeds(door):
    one, again, other = (text_of(chat(door, "random", seed=seed)[1]) for seed in (1, 1, 2))
    assert one == again != other
    assert text_of(chat(door, "random", seed=1, n=2)[1]) == one + other


def several_choices(door):
    body = chat(door, "random", n=8)[1]
    assert [choice["index"] for choice in body["choices"]] == list(range(8))
    assert len(set(text_of(body))) == 8
    assert body["usage"]["prompt_tokens"] == 7 and body["usage"]["completion_tokens"] == 16
    body = post(door, "/v1/completions", {"model": "echo", "prompt": ["a", "b c"], "n": 2})[1]
    assert [choice["text"] for choice in body["choices"]] == ["a", "a", "b c", "b c"]
    assert body["usage"]["prompt_tokens"] == 14 and body["usage"]["completion_tokens"] == 6
    events = stream(door, "/v1/chat/completions", {"model": "echo", "messages": HELLO, "n": 3})[1]
    assert events.pop() == "[DONE]"
    for index in range(3):
        choices = [event["choices"][0] for event in events if event["choices"][0]["index"] == index]
        assert "".join(choice["delta"].get("content", "") for choice in choices) == "one two three four"
        assert choices[-1]["finish_reason"] == "stop"


def big_answers(door):
    expected = "".join('%07u:0123456789abcdefghijklmnopqrstuvwxyz"\\\n' % i for i in range(20000))
    assert completion(door, "big")[1]["choices"][0]["text"] == expected
    events = stream(door, "/v1/completions", {"model": "big", "prompt": "x"})[1]
    assert "".join(event["choices"][0]["text"] for event in events[:-1]) == expected


def eight_at_once(door):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for response, body in pool.map(lambda _: completion(door, "big"), range(8)):
            assert len(body["choices"][0]["text"]) == 20000 * 47


# ---- What it refuses ----

def errors(door):
    for model, status, code, param in (
            ("none", 404, "model_not_found", "model"), ("busy", 503, "busy", None),
            ("too-long", 400, "context_length_exceeded", "messages"), ("cancelled", 499, "cancelled", None),
            ("dies", 502, "worker_died", None), ("cut", 502, "worker_died", None), ("garbage", 502, "worker_died", None)):
        response, body = chat(door, model)
        check_error(response, body, status, code, param)
        assert (response.headers["Retry-After"] is not None) == (status == 503)
    for model, status, code in (("none", 404, "model_not_found"), ("busy", 503, "busy"), ("too-long", 400, "context_length_exceeded")):
        response, events = stream(door, "/v1/chat/completions", {"model": model, "messages": HELLO})
        assert response.status == status and events[0]["error"]["code"] == code
    check_error(*chat(door, "echo", temperature=9), 400, None, "temperature")
    check_error(*chat(door, "echo", tool_choice="required"), 400, "not_supported", "tool_choice")
    check_error(*post(door, "/v1/chat/completions", {"messages": HELLO}), 400, None, "model")
    check_error(*post(door, "/v1/chat/completions", "{"), 400, None)
    check_error(*post(door, "/v1/chat/completions", ""), 400, None)
    check_error(*post(door, "/v1/chat/completions", "[" * 100000), 400, None)
    check_error(*post(door, "/v1/chat/completions", b"\xff"), 400, None)


def apply_template(door):
    response, body = post(door, "/apply-template", {"messages": HELLO, "tools": [{"a": 1}], "chat_template_kwargs": {"b": None}})
    content = HELLO[-1]["content"]
    assert response.status == 200 and body["prompt"].endswith(f'user:{content};tools=[{{"a":1}}] kwargs={{"b":null}} open=1'), body
    response, body = post(door, "/apply-template", {"model": "echo", "messages": HELLO, "add_generation_prompt": False})
    assert response.status == 200 and body["prompt"].endswith("tools= kwargs= open=0"), body
    check_error(*post(door, "/apply-template", {"model": "busy", "messages": HELLO}), 400, "no_chat_template")
    check_error(*post(door, "/apply-template", {"messages": []}), 400, None, "messages")
    check_error(*post(door, "/apply-template", "{"), 400, None)


def errors_in_the_stream(door):
    for model in ("dies", "cut", "garbage"):
        response, events = stream(door, "/v1/completions", {"model": model, "prompt": "x"})
        assert response.status == 200 and events[0]["choices"][0]["text"], events
        assert set(events[-1]) == {"error"} and set(events[-1]["error"]) == ERROR_KEYS, events
        assert events[-1]["error"]["code"] == "worker_died"


def one_of_several_fails(door):
    door.drop_lines()
    response, body = chat(door, "dies", n=4)
    check_error(response, body, 502, "worker_died")


def paths_and_methods(door):
    for path in ("/", "/v1", "/v1/", "/v1/models/", "/v1/embeddings", "/healthy", "/v1/chat/completions/", "//health"):
        response, body = call(door, "GET", path)
        assert response.status in (400, 404), (path, response.status)
        if response.status == 404:
            check_error(response, json.loads(body), 404, "not_found")
    for method, path, allow in (("GET", "/v1/completions", "POST"), ("POST", "/health", "GET, HEAD"), ("DELETE", "/v1/models/echo", "GET, HEAD")):
        response, body = call(door, method, path)
        check_error(response, json.loads(body), 405, "method_not_allowed")
        assert response.headers["Allow"] == allow


def large_bodies(door):
    large = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "x" * (9 << 20)}]})
    check_error(*post(door, "/v1/chat/completions", large), 413, "body_too_large")
    chunks = (b"x" * 65536 for _ in range(160))
    response, body = call(door, "POST", "/v1/chat/completions", chunks)
    check_error(response, json.loads(body), 413, "body_too_large")
    fits = {"model": "echo", "max_tokens": 1, "messages": [{"role": "user", "content": "x " * (3 << 20)}]}
    assert post(door, "/v1/chat/completions", fits)[0].status == 200
    with door.connect() as peer:  # no refusal is waited for
        peer.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
        try:
            while True:
                peer.sendall(b"x" * 65536)
        except OSError:
            pass


# ---- How it keeps connections ----

def raw(door, data, connect=None, half_close=False):
    with (connect or door.connect)() as peer:
        peer.sendall(data)
        if half_close:
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := peer.recv(65536):
                answer += chunk
        except ConnectionResetError:  # it had not read everything when it closed
            if not answer:
                raise
        return answer


def request_bytes(path, body, version="1.1", headers=""):
    data = json.dumps(body).encode()
    host = "Host: x\r\n" if version == "1.1" else ""
    return f"POST {path} HTTP/{version}\r\n{host}{headers}Content-Length: {len(data)}\r\n\r\n".encode() + data


def one_request_a_connection(door):
    for body, status in (({"model": "echo", "prompt": "first"}, b"200"), ({"model": 7}, b"400")):
        answer = raw(door, request_bytes("/v1/completions", body))
        assert answer.startswith(b"HTTP/1.1 " + status) and b"\r\nConnection: close\r\n" in answer, answer
        second = request_bytes("/v1/completions", {"model": "echo", "prompt": "second"})
        assert raw(door, request_bytes("/v1/completions", body) + second).count(b"HTTP/1.1 ") == 1
    connection = UnixConnection(door)  # a client that wants to keep it connects again by itself
    for _ in range(3):
        assert call(door, "GET", "/health", connection=connection)[0].status == 200


def half_closed(door):
    answer = raw(door, request_bytes("/v1/completions", {"model": "echo", "prompt": "x y"}), half_close=True)
    assert b"x y" in answer


def http_1_0(door):
    answer = raw(door, b"GET /health HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200") and answer.endswith(b'{"status":"ok"}'), answer
    answer = raw(door, request_bytes("/v1/completions", {"model": "echo", "prompt": "x", "stream": True}, "1.0"))
    assert answer.endswith(b"data: [DONE]\n\n") and b"chunked" not in answer


def malformed(door):
    for data in (b"\r\n\r\n\r\n", b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n",
                 b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                 b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                 b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n", b"\0" * 100, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"):
        try:
            answer = raw(door, data, half_close=True)
        except ConnectionError:
            answer = b""
        assert b" 200 " not in answer[:20], (data[:60], answer)
    assert call(door, "GET", "/health")[0].status == 200


def expect_continue(door):
    with door.connect() as peer:
        data = json.dumps({"model": "echo", "prompt": "x"}).encode()
        head = "POST {} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
        peer.sendall(head.format("/v1/completions", len(data)).encode())
        assert peer.recv(1000).startswith(b"HTTP/1.1 100")
        peer.sendall(data)
        assert b" 200 " in peer.recv(10000)
    assert b" 413 " in raw(door, head.format("/v1/completions", 9 << 20).encode())
    assert b" 404 " in raw(door, head.format("/v1/nothing", 9).encode())


def vanish(door, connect, body, read_first):
    door.drop_lines()
    peer = connect()
    headers = f"Authorization: Bearer {KEY}\r\n"
    data = request_bytes("/v1/completions", body, headers=headers).replace(b"Host: x", b"Host: localhost:%d" % door.port)
    peer.sendall(data)
    started = [door.wait("started")[0] for _ in range(body.get("n", 1))]
    if read_first:
        while b'"once"' not in peer.recv(65536):
            pass
    peer.close()
    for number in sorted(started):
        door.wait("cancelled", number)


def vanish_in_the_stream(door):
    vanish(door, door.connect, {"model": "slow", "prompt": "x", "stream": True}, True)
    vanish(door, door.connect_tcp, {"model": "slow", "prompt": "x", "stream": True}, True)


def vanish_before_the_answer(door):
    vanish(door, door.connect, {"model": "silent", "prompt": "x", "stream": True}, False)
    vanish(door, door.connect, {"model": "silent", "prompt": "x", "n": 3}, False)
    vanish(door, door.connect, {"model": "slow", "prompt": "x"}, False)
    vanish(door, door.connect_tcp, {"model": "silent", "prompt": "x"}, False)


def memory(door):
    with open(f"/proc/{door.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def slow_reader(door):
    """An endless answer that is not read: the writer stalls, memory stays, and it goes on when it is read."""
    before = memory(door)
    door.drop_lines()
    with door.connect() as peer:
        peer.sendall(request_bytes("/v1/completions", {"model": "endless", "prompt": "x", "stream": True}))
        number = door.wait("started")[0]
        sizes = [-2, -1]
        while len(set(sizes[-4:])) > 1:  # the same four times in a row: stalled
            sizes.append(int(door.wait("written", number)[1]))
        assert sizes[-1] < 2 << 20, sizes
        assert memory(door) - before < 16 << 20
        read = 0
        while read < 4 * sizes[-1]:
            read += len(peer.recv(65536))
        assert int(door.wait("written", number)[1]) > sizes[-1]
    door.wait("cancelled", number)


def slow_sender(door):
    """Half a request, and half a body: hung up after HTTP_RECEIVE_SEC."""
    def send_half(data):
        with door.connect() as peer:
            peer.settimeout(40)
            start = time.monotonic()
            peer.sendall(data)
            assert b" 200 " not in peer.recv(1000)
            return time.monotonic() - start

    halves = (b"POST /v1/comp", b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert all(15 < seconds < 30 for seconds in pool.map(send_half, halves))


def many_connections(door):
    """64 of one user, who does not get a 65th; then all is as before."""
    peers = [door.connect() for _ in range(64)]
    for peer in peers:
        peer.sendall(b"GET /hea")
    with door.connect() as refused:
        try:
            refused.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert refused.recv(1000) == b""
        except ConnectionError:
            pass
    for peer in peers[:32]:
        peer.sendall(b"lth HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in peer.recv(1000)
    for peer in peers:
        peer.close()
    for _ in range(200):
        with door.connect() as peer:
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                if b" 200 " in peer.recv(1000):
                    return
            except ConnectionError:
                pass
    raise AssertionError("nobody is let in again")


# ---- Who it serves over TCP ----

def tcp_call(door, key=KEY, host=None, path="/health", method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    headers["Host"] = host if host is not None else f"localhost:{door.port}"
    if key:
        headers["Authorization"] = key if " " in key else f"Bearer {key}"
    response, body = call(door, method, path, body, headers, connection)
    connection.close()
    return response, json.loads(body)


def tcp_keys(door):
    assert tcp_call(door)[0].status == 200
    assert tcp_call(door, OTHER_KEY, f"[::1]:{door.port}")[0].status == 200
    assert tcp_call(door, f"bearer {KEY}")[0].status == 200
    for key in (None, "x", KEY[:-1], KEY + "x", f"Basic {KEY}", "Bearer ", f"Bearer  {KEY}"):
        response, body = tcp_call(door, key)
        check_error(response, body, 401, "invalid_api_key")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    response, body = tcp_call(door, None, path="/nothing")
    check_error(response, body, 401, "invalid_api_key")  # strangers do not learn what is there


def tcp_hosts(door):
    for host in ("localhost", "evil.example", f"evil.example:{door.port}", f"localhost:{door.port + 1}"):
        check_error(*tcp_call(door, host=host), 403, "foreign_host")
    for origin in ("null", "http://evil.example", f"http://localhost.evil:{door.port}"):
        check_error(*tcp_call(door, Origin=origin), 403, "foreign_origin")
    assert tcp_call(door, Origin="http://localhost:3000")[0].status == 200
    two = f"GET /health HTTP/1.1\r\nHost: localhost:{door.port}\r\nHost: localhost:{door.port}\r\nConnection: close\r\n\r\n"
    assert b" 200 " not in raw(door, two.encode(), door.connect_tcp)


def tcp_namespaces(door):
    def uid(key):
        body = tcp_call(door, key, path="/v1/completions", method="POST", body={"model": "options", "prompt": "x"})[1]
        return int(body["choices"][0]["text"].split("uid=")[1])
    assert uid(KEY) == uid(KEY) != uid(OTHER_KEY)
    assert min(uid(KEY), uid(OTHER_KEY)) >= 1 << 31


def tcp_keys_change(door):
    with open(door.key_file, "w") as file:
        file.write(OTHER_KEY + "\n")
    assert tcp_call(door, KEY)[0].status == 401
    assert tcp_call(door, OTHER_KEY)[0].status == 200


CASES = [
    health, models, chat_whole, completion_whole, chat_stream, completion_stream, usage_chunk, options_arrive, stop_and_length,
    seeds, several_choices, big_answers, eight_at_once, errors, apply_template, errors_in_the_stream, one_of_several_fails, paths_and_methods,
    large_bodies, one_request_a_connection, half_closed, http_1_0, malformed, expect_continue, vanish_in_the_stream,
    vanish_before_the_answer, slow_reader, slow_sender, many_connections, tcp_keys, tcp_hosts, tcp_namespaces, tcp_keys_change]


def stopped_while_answering(door):
    peer = door.connect()
    peer.sendall(request_bytes("/v1/completions", {"model": "endless", "prompt": "x", "stream": True}))
    waiting = door.connect()
    waiting.sendall(request_bytes("/v1/completions", {"model": "silent", "prompt": "x"}))
    door.wait("started")
    door.wait("started")
    peer.recv(1)
    assert door.stop() == 0
    door.wait("bye")


def main():
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory() as directory:
        door = Door(sys.argv[1], directory)
        status = tap.run(tap.named([*CASES, stopped_while_answering], door), [*wanted, "stopped_while_answering"] if wanted else ())
        if door.process.poll() is None:
            door.process.kill()
    sys.exit(status)


if __name__ == "__main__":
    main()
