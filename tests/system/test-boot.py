#!/usr/bin/env python3
"""The installed service in a real systemd.

Boots this machine's own root file system in a container under a throw-away overlay, installs the build into it, and looks at the
service as an administrator and as an unprivileged user would. Needs root and systemd-nspawn; skips, loudly, without them.

Usage: test-boot.py BUILD_DIRECTORY MAKE_FAKE_MODEL MAKE_TINY_MODEL"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap

MODEL = "ryzen-llm-default"
UNIT = f"ryzen-llm-model@{MODEL}.service"
SLOW_MODEL = "/root/slow.gguf"
TINY_MODEL = "/root/tiny.gguf"
PROPERTY = ["busctl", "get-property", "org.ryzenllm1", "/org/ryzenllm1", "org.ryzenllm1.Manager"]
ASK = ["busctl", "call", "org.ryzenllm1", "/org/ryzenllm1", "org.ryzenllm1.Manager", "Ask", "ssa{sv}", "",
       "extract a tar archive", "0"]


class Container:
    """A booted systemd; every command runs inside it."""

    def __init__(self, directory):
        self.directory = directory
        self.leader = None
        subprocess.run(["mount", "--bind", "/", directory], check=True)
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-D", directory, "--volatile=overlay", "-b", "--link-journal=no", "--register=no",
             "--keep-unit", "--private-network", f"--machine=ryzen-llm-test-{os.getpid()}", "--console=pipe",
             "systemd.unit=multi-user.target"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        os.set_blocking(self.process.stdout.fileno(), False)

    def find_leader(self):
        """The container's PID 1: the systemd that is a child of nspawn."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        for pid in open(path).read().split():
            try:
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "systemd":
                    return pid
            except FileNotFoundError:
                continue  # a helper of nspawn that has just ended
        return None

    def boot(self):
        wait_until("the container's systemd", lambda: self.process.poll() is None and self.find_leader(), 60)
        self.leader = self.find_leader()
        wait_until("the container to have booted",
                   lambda: self.out("systemctl", "is-system-running").strip() in ("running", "degraded"), 120)

    def run(self, *command, user=None, **options):
        enter = ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        if user:
            enter += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "timeout": 90, "stdin": subprocess.DEVNULL,
                   **options}
        return subprocess.run(enter + list(command), **options)

    def out(self, *command, **options):
        return self.run(*command, **options).stdout.decode(errors="replace")

    def popen(self, *command):
        return subprocess.Popen(["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-C", "--", *command],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def close(self):
        if self.leader:
            self.run("systemctl", "poweroff", "--force", "--force")
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", "-l", self.directory], check=False)


def wait_until(what, condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.1)


def copy_model(container, place, *command):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.gguf")
        subprocess.run([command[0], path, *command[1:]], check=True)
        with open(path, "rb") as file:
            container.run("sh", "-c", f"cat >{place}", stdin=file)


def install(container, build):
    with tempfile.TemporaryDirectory() as destdir:
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", destdir], check=True,
                       stdout=subprocess.DEVNULL)
        archive = subprocess.Popen(["tar", "-C", destdir, "--owner=0", "--group=0", "-c", "."], stdout=subprocess.PIPE)
        # A tar of "." would change the mode of / itself.
        container.run("tar", "-C", "/", "--no-overwrite-dir", "-x", stdin=archive.stdout)
        assert archive.wait() == 0
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"], ["systemctl", "daemon-reload"],
                    ["systemctl", "reload", "dbus"], ["systemctl", "restart", "polkit"],
                    ["mkdir", "-p", "/etc/ryzen-llm/ryzen-llmd.conf.d"],
                    ["sh", "-c", "printf '[Limits]\\nIdleTimeoutSec=3\\n' >/etc/ryzen-llm/ryzen-llmd.conf.d/test.conf"],
                    ["useradd", "-m", "-u", "4242", "stranger"], ["useradd", "-m", "-u", "4243", "-G", "ryzen-llm", "member"],
                    ["systemctl", "start", "ryzen-llm-http.socket"]):
        result = container.run(*command)
        assert result.returncode == 0, (command, result.stdout)


# ---- What is checked: each function is a test; they build on each other in this order. ----

def units_are_sound(c):
    """systemd-analyze verify is silent; both services are at most 1.0 exposed."""
    units = ["ryzen-llmd.service", "ryzen-llm-model@x.service", "ryzen-llm-pack@x.service", "ryzen-llm-model@x.socket",
             "ryzen-llm-http.socket", "ryzen-llm-tcp.socket", "ryzen-llm.slice"]
    assert c.out("systemd-analyze", "verify", "--man=no", *units) == ""
    for unit in ("ryzen-llmd.service", "ryzen-llm-model@.service", "ryzen-llm-pack@.service"):
        result = c.run("systemd-analyze", "security", "--offline=true", "--threshold=10",
                       f"/usr/lib/systemd/system/{unit}")
        assert result.returncode == 0, result.stdout.decode()[-200:]


def bus_activation_answers(c):
    """Nothing runs; one call starts the daemon, and the daemon's connection starts the worker's unit."""
    assert c.out("systemctl", "is-active", "ryzen-llmd.service").strip() == "inactive"
    answer = c.out(*ASK)
    assert answer.startswith('s "tar '), answer
    assert c.out("systemctl", "is-active", "ryzen-llmd.service").strip() == "active"
    assert c.out("systemctl", "is-active", UNIT).strip() == "active"
    assert "status" not in c.out("systemctl", "--failed", "--no-legend")


def worker_leaves_when_idle(c):
    wait_until("the idle worker to leave", lambda: c.out("systemctl", "is-active", UNIT).strip() == "inactive", 30)
    assert c.out("pgrep", "-f", "ryzen-llm-worker") == ""
    assert c.out("systemctl", "is-active", f"ryzen-llm-model@{MODEL}.socket").strip() == "active"
    assert c.out(*ASK).startswith('s "tar ')


def killed_worker_fails_only_its_caller(c):
    """The caller is told, the next request starts a new worker, and systemd keeps no failed unit."""
    assert c.run("ryzen-llm", "install", "--name", "slow", SLOW_MODEL).returncode == 0
    call = c.popen("ryzen-llm", "ask", "-m", "slow", "--max-tokens", "100000", "once upon a time")
    wait_until("the generation to run", lambda: c.out(*PROPERTY, "ActiveRequests").strip() == "u 1", 30)
    c.run("systemctl", "kill", "-s", "KILL", "ryzen-llm-model@slow.service")
    output = call.communicate(timeout=60)[0].decode()
    assert call.returncode == 1 and "worker" in output, output
    assert c.run("ryzen-llm", "ask", "-m", "slow", "--max-tokens", "3", "again").returncode == 0
    assert c.out(*ASK).startswith('s "tar ')


def damaged_model_says_so(c):
    """Bytes that rot after installation: an error in words, soon, and a way out."""
    c.run("ryzen-llm", "unload", "slow")
    c.run("sh", "-c", "cd /var/lib/ryzen-llm/models/slow && for f in model.gguf packed.bin; do echo rot >$f; done")
    result = c.run("ryzen-llm", "ask", "-m", "slow", "anything")
    assert result.returncode == 1 and b"slow" in result.stdout and b"GGUF" in result.stdout, result.stdout
    assert c.run("ryzen-llm", "install", "--replace", "--name", "slow", SLOW_MODEL).returncode == 0
    assert c.run("ryzen-llm", "ask", "-m", "slow", "--max-tokens", "3", "again").returncode == 0
    assert c.run("ryzen-llm", "remove", "slow").returncode == 0


def strangers_are_refused(c):
    """polkit is asked: a user without session and group may look, and may not generate or manage."""
    output = c.out(*ASK, user="stranger")
    assert "denied" in output.lower() or "authenti" in output.lower(), output
    assert c.out(*ASK, user="member").startswith('s "tar ')
    output = c.out("ryzen-llm", "remove", MODEL, user="member")
    assert "denied" in output.lower() or "authenti" in output.lower() or "allowed" in output.lower(), output
    assert MODEL in c.out("ryzen-llm", "models", user="stranger")
    output = c.out("curl", "-sS", "--unix-socket", "/run/ryzen-llm/http.sock", "http://x/health", user="stranger")
    assert "ok" not in output.lower(), output


def http_socket_serves(c):
    assert '"ok"' in c.out("curl", "-sS", "--unix-socket", "/run/ryzen-llm/http.sock", "http://localhost/health")
    body = '{"model":"%s","messages":[{"role":"user","content":"extract a tar archive"}],"temperature":0}' % MODEL
    answer = c.out("curl", "-sS", "--unix-socket", "/run/ryzen-llm/http.sock", "-H", "Content-Type: application/json",
                   "-d", body, "http://localhost/v1/chat/completions", user="member")
    assert '"tar ' in answer, answer
    assert c.out("systemctl", "is-enabled", "ryzen-llm-tcp.socket").strip() == "disabled"


def models_are_installed_and_removed(c):
    """The file goes in as a descriptor; a sandboxed unit packs it; the new model answers through its own socket."""
    source = f"/usr/share/ryzen-llm/models/{MODEL}/model.gguf"
    output = c.out("ryzen-llm", "install", "--name", "second-copy", source)
    assert "second-copy" in c.out("ryzen-llm", "models"), output
    assert "tar " in c.out("ryzen-llm", "ask", "-m", "second-copy", "extract a tar archive")
    assert c.out("systemctl", "is-active", "ryzen-llm-model@second-copy.service").strip() == "active"
    assert c.run("ryzen-llm", "unload", "--force", "second-copy").returncode == 0
    assert c.run("ryzen-llm", "remove", "second-copy").returncode == 0
    # all that an installation can ask for, through the unit without arguments
    output = c.out("ryzen-llm", "install", "--weights", "q8", "--kv", "i8", "--draft", TINY_MODEL, "--name", "second-copy",
                   TINY_MODEL)
    assert "from F16 to Q8_0" in output and "Draft model: " in output, output
    shown = json.loads(c.out("ryzen-llm", "show", "--json", "second-copy"))
    assert (shown["weights"], shown["draft_weights"], shown["kv_type"]) == ("F16\u2192Q8_0", "F16\u2192Q8_0", "I8"), shown
    assert c.run("ryzen-llm", "ask", "-m", "second-copy", "--max-tokens", "9", "hello").returncode == 0
    # a packed file of another processor is made again, by the same unit
    assert c.run("ryzen-llm", "unload", "--force", "second-copy").returncode == 0
    c.run("sh", "-c", "printf z80 | dd of=/var/lib/ryzen-llm/models/second-copy/packed.bin bs=1 seek=16 conv=notrunc")
    assert c.run("ryzen-llm", "load", "second-copy").returncode == 0
    wait_until("the model to be packed again", lambda: "renewed" in c.out("ryzen-llm", "show", "second-copy"), 30)
    assert c.run("ryzen-llm", "unload", "--force", "second-copy").returncode == 0
    assert c.run("ryzen-llm", "load", "second-copy").returncode == 0
    assert json.loads(c.out("ryzen-llm", "show", "--json", "second-copy"))["packed"] == "used"
    c.run("sh", "-c", f"head -c 100000 {source} >/tmp/broken.gguf")
    result = c.run("ryzen-llm", "install", "--name", "broken", "/tmp/broken.gguf")
    assert result.returncode == 1 and b"broken" not in c.run("ryzen-llm", "models").stdout, result.stdout
    assert c.run("ryzen-llm", "remove", "second-copy").returncode == 0
    assert c.out("systemctl", "is-active", "ryzen-llm-model@second-copy.socket").strip() == "inactive"
    assert c.out("sh", "-c", "ls -A /var/lib/ryzen-llm/models").strip() == ""


def reload_and_stop_are_clean(c):
    assert c.run("systemctl", "reload", "ryzen-llmd.service").returncode == 0
    assert c.out(*ASK).startswith('s "tar ')
    assert c.run("systemctl", "stop", "ryzen-llmd.service", "ryzen-llm-http.socket").returncode == 0
    assert "ryzen-llmd" not in c.out("systemctl", "--failed", "--no-legend")
    result = c.out("systemctl", "show", "-P", "Result", "ryzen-llmd.service").strip()
    assert result == "success", result
    assert c.run("systemctl", "start", "ryzen-llmd.service").returncode == 0


def journal_keeps_secrets(c):
    """What people ask and what they are told is nobody else's business."""
    journal = c.out("journalctl", "--no-pager", "-o", "cat")
    assert "tar archive" not in journal and "tar -" not in journal


TESTS = [units_are_sound, bus_activation_answers, worker_leaves_when_idle, killed_worker_fails_only_its_caller,
         damaged_model_says_so, strangers_are_refused, http_socket_serves, models_are_installed_and_removed, reload_and_stop_are_clean,
         journal_keeps_secrets]


def main():
    if os.geteuid() != 0:
        tap.skip("booting a container needs root")
    for tool in ("systemd-nspawn", "nsenter", "setpriv", "busctl", "curl"):
        if not shutil.which(tool):
            tap.skip(f"{tool} is not installed")
    directory = tempfile.mkdtemp(prefix="ryzen-llm-boot.")
    try:
        container = Container(directory)
    except subprocess.CalledProcessError:
        os.rmdir(directory)
        tap.skip("this machine does not allow mounts")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        try:
            container.boot()
        except (AssertionError, FileNotFoundError, PermissionError) as error:
            tap.note((container.process.stdout.read() or b"").decode(errors="replace")[-4000:])
            tap.skip(f"no container can be booted here: {error}")
        install(container, sys.argv[1])
        # One takes its time, so that something can happen while it generates; one has real matrices.
        copy_model(container, SLOW_MODEL, sys.argv[2], "0", "20000")
        copy_model(container, TINY_MODEL, sys.argv[3])
        status = tap.run(tap.named(TESTS, container))
        if status:
            tap.note(container.out("journalctl", "--no-pager", "-n", "120", "-u", "ryzen-llm*"))
    finally:
        container.close()
        os.rmdir(directory)
    sys.exit(status)


if __name__ == "__main__":
    main()
