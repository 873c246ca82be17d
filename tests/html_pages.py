"""Reads pages as a strict reader does."""

import base64
import hashlib
import io
import itertools
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

VOID = {"meta", "link", "img", "input", "br"}
SHAPES = {"rect", "path"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, tag, **wanted):
        """Yield the elements of a tag, or of any for `*`, with these attributes."""
        for child in self.children:
            if tag in ("*", child.tag) and all(
                child.attributes.get(name.rstrip("_").replace("_", "-")) == value
                for name, value in wanted.items()
            ):
                yield child
            yield from child.find(tag, **wanted)

    @property
    def whole(self):
        """All text inside."""
        return self.text + "".join(child.whole for child in self.children)


class Reader(HTMLParser):
    """Builds a tree, and refuses what is not closed or opened twice."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        assert tag in SHAPES, tag
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, (self.open[-1].tag, tag)
        self.open.pop()

    def handle_data(self, text):
        # Text that follows an element counts before it here, which no test minds.
        self.open[-1].text += text


def read_page(page: Path) -> Element:
    """Return the root of a page, after what every page has to hold to."""
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1
    root = reader.open[0]
    _check_references(root)
    _check_requests(root)
    _check_for_readers(root)
    return root


def _check_references(root):
    ids = [each.attributes["id"] for each in root.find("*") if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    for each in root.find("*"):
        for name in ("for", "aria-labelledby"):
            assert each.attributes.get(name, ids[0]) in ids
        if each.attributes.get("href", "").startswith("#"):
            assert each.attributes["href"][1:] in ids


def _check_requests(root):
    """Nothing is loaded, and no script runs but the one that the policy allows."""
    (script,) = root.find("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (policy,) = root.find("meta", http_equiv="Content-Security-Policy")
    assert f"script-src 'sha256-{digest}';" in policy.attributes["content"]
    assert policy.attributes["content"].startswith("default-src 'none';")
    for each in root.find("*"):
        assert not [name for name in each.attributes if name.startswith("on")]
        for name in ("src", "srcset", "action", "data", "poster"):
            assert each.attributes.get(name, "data:").startswith("data:")
        styles = each.attributes.get("style", "") + (each.text if each.tag == "style" else "")
        assert "url(" not in styles
        assert "@import" not in styles
        assert each.tag not in ("iframe", "object", "embed", "form", "base")
    for link in root.find("a"):
        assert link.attributes["href"].startswith(("#", "./"))
    for link in root.find("link"):
        assert link.attributes["href"] == "data:,"


def _check_for_readers(root):
    """Everything has a name for whoever hears the page, and headings skip no level."""
    assert all("alt" in image.attributes for image in root.find("img"))
    assert all("scope" in head.attributes for head in root.find("th"))
    (html,) = root.find("html")
    assert html.attributes["lang"] == "en"
    for landmark in ("header", "main", "footer"):
        assert len(list(root.find(landmark))) == 1
    levels = [int(e.tag[1]) for e in root.find("*") if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    labels = {label.attributes.get("for") for label in root.find("label")}
    inside = [i for label in root.find("label") for i in label.find("input")]
    for each in root.find("input"):
        assert each in inside or each.attributes.get("id") in labels
    for svg in root.find("svg"):
        named = "aria-label" in svg.attributes and svg.attributes.get("role") == "img"
        assert named or svg.attributes.get("aria-hidden") == "true"


def picture(uri):
    """Return the pixels in a ``data:`` URI."""
    _, content = uri.split(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        return np.asarray(image.convert("RGB" if image.format == "JPEG" else "RGBA"))


def stack(root, place=0):
    """Return the base and the layers of a picture, the overview if no other is wanted."""
    found = list(root.find("div", class_="stack")) + list(root.find("div", class_="stack bare"))
    images = list(found[place].find("img"))
    layers = {
        image.attributes["data-layer"]: picture(image.attributes["src"])
        for image in images
        if "data-layer" in image.attributes
    }
    return picture(images[0].attributes["src"]), layers


def notes(root):
    return [
        item.whole
        for each in root.find("section", class_="notice note")
        for item in each.find("li")
    ]


def problems(root):
    return [
        item.whole for each in root.find("section", class_="notice bad") for item in each.find("li")
    ]
