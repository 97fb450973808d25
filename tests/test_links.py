"""No dead link in the repository: what its texts point to is there. Links to other sites are not followed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("", "docs", "examples", "tests", "benchmarks", ".ci")
TEXTS = sorted({text for folder in FOLDERS for text in (ROOT / folder).glob("**/*.md" if folder else "*.md")})
LINK = re.compile(r"(?<!\\)\]\(<?([^)>\s]+)>?\)")
PATH = re.compile(r"`((?:npcnn|examples|tests|benchmarks|docs|\.ci)/[\w/.-]*)`")


def prose(text):
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(text):
    """What a code host calls the headings of a text: in lower case, without punctuation, with - for each space."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text.relative_to(ROOT)))
def test_every_link_and_every_path_that_a_text_names_is_there(text):
    dead = []
    for link in LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (text.parent / name).resolve() if name else text
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    dead += [path for path in PATH.findall(prose(text)) if "my_" not in path and not (ROOT / path).exists()]
    assert not dead, f"{text.relative_to(ROOT)} points to what is not there: {dead}"


def test_a_dead_link_is_seen(tmp_path):
    text = tmp_path / "a.md"
    text.write_text("# A *b*: c-d!\n```\n# no heading\n```\n[x](#a-b-c-d) [y](#none)", encoding="utf-8")
    assert LINK.findall(prose(text)) == ["#a-b-c-d", "#none"]
    assert anchors(text) == {"a-b-c-d"}
