"""Print on which platforms `pip install ".[test]"` finds all it needs, and which TensorFlow comes with it.

Once `pip install uv` is done: `python .ci/platforms.py [EXTRA ...]`; it takes minutes.

uv resolves for other platforms and Python versions than its own. pip does not: under its --platform, sys_platform and
platform_machine in the conditions of requirements stay those of the machine it runs on. What uv chooses must be there
as wheels, which need no compiler.
"""

import configparser
import os
import subprocess
import sys
from pathlib import Path

PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux ARM64": "aarch64-manylinux_2_28",
    "macOS Intel": "x86_64-apple-darwin",
    "macOS ARM64": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
    "Windows ARM64": "aarch64-pc-windows-msvc",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SETTINGS = {"UV_PYTHON_DOWNLOADS": "never", "MACOSX_DEPLOYMENT_TARGET": "14.0"}
SOURCE_ONLY = {"promise"}  # has no wheel, but is pure Python: any pip builds it


class NotFoundError(Exception):
    """There is no solution, or it is not there as wheels."""


def resolve(requirements: list[str], *options: str) -> dict[str, str]:
    """Return the version of each package that is to be installed."""
    done = subprocess.run(
        ["uv", "pip", "compile", "-q", "--no-header", "--no-annotate", *options, "-"],
        input="\n".join(requirements),
        env=os.environ | SETTINGS,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise NotFoundError(" ".join(done.stderr.split("hint:")[0].split()))
    return dict(line.split("==") for line in done.stdout.split())


def tensorflow_version(requirements: list[str], *target: str) -> str:
    """Return the version of TensorFlow that comes with these requirements, '-' if they need none."""
    versions = resolve(requirements, *target)
    pins = [f"{name}=={version}" for name, version in versions.items() if name not in SOURCE_ONLY]
    resolve(pins, "--no-deps", "--only-binary", ":all:", *target)
    return versions.get("tensorflow-cpu", versions.get("tensorflow", "-"))


settings = configparser.ConfigParser()
settings.read(Path(__file__).parents[1] / "setup.cfg")
for extra in sys.argv[1:] or ["test"]:
    lines = settings["options.extras_require"][extra] + settings["options"]["install_requires"]
    failures = []
    print(f"{extra:16}", *(f"{python:>7}" for python in PYTHONS))
    for name, platform in PLATFORMS.items():
        row = []
        for python in PYTHONS:
            try:
                target = "--python-platform", platform, "--python-version", python
                row.append(tensorflow_version(lines.splitlines(), *target))
            except NotFoundError as error:
                row.append("fails")
                failures.append(f"{name}, {python}: {error}")
        print(f"{name:16}", *(f"{cell:>7}" for cell in row), flush=True)
    print(*failures, sep="\n")
