"""`make setup`: everything that the local stack and the tests need, fetched once.

Runs before any package is installed, so it uses the standard library alone. Each step leaves a stamp with the
hash of what it was made from, and does nothing while that stays the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.local.paths import NotInstalledError, cache_dir, java, program

ROOT = Path(__file__).resolve().parents[2]
DOWNLOADS = Path(__file__).with_name("downloads")
STAMP = ".made-from"
OLDEST_JAVA = 17

# program -> (what it is for, the Debian package that has it)
PREREQUISITES = {
    "java": (f"a Java runtime, {OLDEST_JAVA} or newer, runs Kafka", "default-jre-headless"),
    "mvn": ("Maven fetches Kafka", "maven"),
    "npm": ("npm fetches the ClickHouse engine", "npm"),
    "mosquitto": ("Mosquitto is the MQTT broker", "mosquitto"),
    "mosquitto_pub": ("the examples of docs/mqtt.md send with it", "mosquitto-clients"),
}


class SetupError(Exception):
    """A step failed; the message is what the user needs to know."""


def fingerprint(*parts: str | Path) -> str:
    """One hash over texts and the contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def made(folder: Path, key: str) -> bool:
    """Whether a step's result is there and was made from the same input."""
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text() == key


def java_version() -> int | None:
    """The major version of the Java in use; None when there is none."""
    try:
        done = subprocess.run([java(), "-version"], capture_output=True, text=True, check=False)
    except (NotInstalledError, OSError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found.group(1)) if found else None


def missing(names: Sequence[str]) -> list[str]:
    """Those prerequisites that this machine lacks (a Java too old counts as lacking)."""
    absent = []
    for name in names:
        if name == "java":
            if (java_version() or 0) < OLDEST_JAVA:
                absent.append(name)
            continue
        try:
            program(name, name)
        except NotInstalledError:
            absent.append(name)
    return absent


def require(names: Sequence[str]) -> None:
    """Install missing prerequisites where this is possible, else raise SetupError with the command that does it."""
    absent = missing(names)
    if not absent:
        return
    packages = [PREREQUISITES[name][1] for name in absent]
    reasons = "; ".join(PREREQUISITES[name][0] for name in absent)
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("package lists", ["apt-get", "update"], environment=quiet)
        run(f"packages {' '.join(packages)}", install, environment=quiet)
        absent = missing(names)
    if absent:
        command = "sudo " + " ".join(install) if shutil.which("apt-get") else "(your system's package manager)"
        raise SetupError(f"missing: {', '.join(absent)} ({reasons}). Install with: {command}")


def run(title: str, argv: Sequence[str], folder: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    """Run a command and show one calm line of progress: its newest output on a terminal, time otherwise.

    Raises SetupError with the end of its output when it fails.
    """
    started = shown = time.monotonic()
    terminal = sys.stdout.isatty()
    print(f"  {title} …", flush=True)
    output = b""
    with subprocess.Popen(
        argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        pipe = process.stdout.fileno() if process.stdout else -1
        while True:
            readable, _, _ = select.select([pipe], [], [], 1.0)
            if readable:
                piece = os.read(pipe, 65536)
                if not piece:
                    break
                output = (output + piece)[-20_000:]
            now = time.monotonic()
            newest = output.decode(errors="replace").rstrip().rpartition("\n")[2].strip()
            if terminal:
                width = shutil.get_terminal_size().columns - 14
                print(f"\r\033[K    {now - started:4.0f} s  {newest[:width]}", end="", flush=True)
            elif now - shown > 10:
                shown = now
                print(f"    {now - started:.0f} s  {newest[:100]}", flush=True)
    if terminal:
        print("\r\033[K", end="")
    if process.returncode != 0:
        lines = output.decode(errors="replace").splitlines()[-30:]
        text = "\n".join(f"    {line}" for line in lines)
        raise SetupError(f"{title} failed: `{' '.join(argv)}` ended with {process.returncode}:\n{text}")
    print(f"  {title}: {time.monotonic() - started:.0f} s", flush=True)


def fresh(folder: Path) -> Path:
    """An empty folder beside the one to be made, so that a broken download is never taken for a whole one."""
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    return new


def replace(folder: Path, new: Path, key: str) -> None:
    """Put the finished folder in its place."""
    (new / STAMP).write_text(key)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def python_packages() -> None:
    """The virtual environment `.venv` with the locked packages and this project."""
    venv = ROOT / ".venv"
    lock = ROOT / "requirements-dev.lock"
    key = fingerprint(lock, ROOT / "pyproject.toml", platform.python_version(), str(ROOT))
    if made(venv, key):
        return
    python = str(venv / "bin/python")
    if not Path(python).exists():
        run("virtual environment", [sys.executable, "-m", "venv", str(venv)])
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
    run("Python packages", [*pip, "--require-hashes", "-r", str(lock)])
    run("this project", [*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    (venv / STAMP).write_text(key)


def kafka() -> None:
    """Kafka's jars."""
    folder = cache_dir() / "kafka"
    pom = DOWNLOADS / "kafka/pom.xml"
    key = fingerprint(pom)
    if made(folder, key):
        return
    require(["java", "mvn"])
    new = fresh(folder)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={new}", "-DincludeScope=runtime"]
    run("Kafka (45 MB)", ["mvn", "-B", "-f", str(pom), *goal])
    replace(folder, new, key)


def clickhouse() -> None:
    """The ClickHouse engine."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SetupError(
            "the local ClickHouse engine exists for Linux on x86-64 only; this is "
            f"{platform.system()} on {platform.machine()}. Use a ClickHouse server and RISKSTREAM_CLICKHOUSE_HOST"
        )
    folder = cache_dir() / "clickhouse"
    files = [DOWNLOADS / "clickhouse" / name for name in ("package.json", "package-lock.json")]
    key = fingerprint(*files)
    if made(folder, key):
        return
    require(["npm"])
    new = fresh(folder)
    for file in files:
        shutil.copyfile(file, new / file.name)
    run("ClickHouse (180 MB)", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=new)
    replace(folder, new, key)


def main() -> int:
    """All steps; returns the exit code."""
    steps: list[Callable[[], None]] = [
        lambda: require(["java", "mosquitto", "mosquitto_pub"]),
        python_packages,
        kafka,
        clickhouse,
    ]
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second `make` waits for the first instead of spoiling its downloads
        try:
            for step in steps:
                step()
        except SetupError as error:
            print(f"make setup: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("make setup: interrupted; run it again to go on", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
