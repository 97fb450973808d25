"""The pictures of the lesson: one script draws all of them, and those in the repository are what it draws."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

ROOT = Path(__file__).parents[1]
COMMITTED = sorted((ROOT / "docs/pictures").glob("*.svg"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The folder of newly drawn pictures. matplotlib's settings there must make no difference to them."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\nsvg.fonttype: none\n")
    command = [sys.executable, str(ROOT / "docs/draw_pictures.py"), "--output", "."]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, timeout=300, cwd=folder, env=environment)
    return folder


def test_the_script_draws_every_picture_that_is_committed_and_no_other(drawn):
    assert sorted(path.name for path in drawn.glob("*.svg")) == [path.name for path in COMMITTED] != []


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_picture_is_small_says_its_title_and_needs_no_font_of_the_reader(path):
    svg = "{http://www.w3.org/2000/svg}"
    root = ElementTree.fromstring(path.read_bytes())
    assert root.tag == f"{svg}svg" and len(root.findtext(f"{svg}title")) > 20
    assert root.find(f".//{svg}text") is None and root.find(f".//{svg}image") is None
    assert path.stat().st_size < 150_000


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_picture_is_what_the_script_draws(drawn, path):
    committed = path.read_text(encoding="utf-8")
    version = re.search(r"Matplotlib v([\w.+]+)", committed)[1]
    if matplotlib.__version__ != version or matplotlib.ft2font.__freetype_build_type__ != "local":
        pytest.skip(f"drawn by matplotlib {version} with its own FreeType; outlines of letters may differ")
    assert (drawn / path.name).read_text(encoding="utf-8") == committed, "run python docs/draw_pictures.py"


def test_every_picture_that_a_text_shows_is_there_and_every_one_of_these_is_shown():
    shown = set()
    for text in ROOT.rglob("*.md"):
        if not any(part.startswith(".") for part in text.relative_to(ROOT).parts):
            for name in re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", text.read_text(encoding="utf-8")):
                if "://" not in name:
                    picture = (text.parent / name).resolve()
                    assert picture.is_file(), f"{text.relative_to(ROOT)} shows {name}, which is not there"
                    shown.add(picture)
    assert {path.resolve() for path in (ROOT / "docs/pictures").iterdir()} <= shown
