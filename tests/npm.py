"""Programs from npm, for tests that compare with them: installed below a folder, once for each package.json.

    npm.install(package, place, programs, on_missing)

copies the programs to `place` and installs there what the package.json `package` names. Where that cannot be had on_missing(reason) is
called, which must not return."""
import os
import shutil
import subprocess

import tap

INSTALL = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1"]


def run_npm(place, on_missing):
    try:
        done = subprocess.run(INSTALL, cwd=place, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        on_missing("npm install takes too long")
    if done.returncode:
        on_missing(f"npm install failed: {done.stderr.strip().splitlines()[-1:]}")


def install(package, place, programs, on_missing=tap.skip):
    for program in ("node", "npm"):
        if not shutil.which(program):
            on_missing(f"{program} is not installed")
    os.makedirs(place, exist_ok=True)
    for program in programs:
        shutil.copy(program, place)
    with open(package) as file:
        wanted = file.read()
    stamp = os.path.join(place, "installed.json")
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return
    shutil.copy(package, place)
    run_npm(place, on_missing)
    with open(stamp, "w") as file:
        file.write(wanted)
