"""Registries: names without imports, one error for a wrong name, entries of other packages."""

import subprocess
import sys

import pytest

from wsiseg.errors import ArgumentError, UnknownArchitectureError
from wsiseg.registry import Registry

SHAPES = {"circle": "fractions:Fraction", "square": "decimal:Decimal"}


@pytest.fixture
def shapes():
    return Registry("shape", "wsiseg.test_shapes", SHAPES)


def test_names_come_in_the_order_of_the_entries_and_are_loaded_at_first_use(shapes):
    from fractions import Fraction

    assert list(shapes) == ["circle", "square"]
    assert shapes["circle"] is shapes.find("circle") is Fraction


def test_what_a_decorator_adds_later_is_there(shapes):
    assert len(shapes) == 2
    shapes.register("star")(3)
    assert list(shapes) == ["circle", "square", "star"]
    assert shapes["star"] == 3


def test_a_wrong_name_is_refused_with_a_name_near_by(shapes):
    with pytest.raises(ArgumentError, match=r"no shape 'sqare' \(`shape`\). Did you mean square\?"):
        shapes.find("sqare", "`shape`")
    with pytest.raises(ArgumentError, match="Use circle, square"):
        shapes.find("zzz")
    with pytest.raises(KeyError):
        shapes["zzz"]


def test_the_error_of_a_kind_can_be_its_own():
    with pytest.raises(UnknownArchitectureError):
        Registry("network", "none", error=UnknownArchitectureError).find("x")


@pytest.fixture
def other_package(tmp_path, monkeypatch):
    """Put a package that is installed elsewhere on the path."""

    def install(entries, source="VALUE = 7\n"):
        (tmp_path / "acme_shapes.py").write_text(source)
        about = tmp_path / "acme-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[wsiseg.test_shapes]\n{entries}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "acme_shapes", raising=False)

    return install


def test_another_package_adds_by_an_entry_point(shapes, other_package):
    other_package("blob = acme_shapes:VALUE")
    assert list(shapes) == ["circle", "square", "blob"]
    assert shapes["blob"] == 7


def test_what_another_package_registers_while_it_is_loaded_counts(other_package, monkeypatch):
    registry = Registry("shape", "wsiseg.test_shapes")
    monkeypatch.setitem(sys.modules, "shape_registry", type(sys)("shape_registry"))
    sys.modules["shape_registry"].registry = registry
    other_package(
        "blob = acme_shapes:Blob",
        "from shape_registry import registry\n\n@registry.register('blob')\nclass Blob: ...\n",
    )
    assert registry["blob"].__name__ == "Blob"
    assert list(registry) == ["blob"]


def test_another_package_does_not_replace_ours(shapes, other_package):
    other_package("circle = acme_shapes:VALUE")
    with pytest.warns(UserWarning, match="there is a shape 'circle' already"):
        assert list(shapes) == ["circle", "square"]


def test_another_package_that_is_broken_is_named(shapes, other_package):
    other_package("blob = acme_shapes:VALUE", "raise RuntimeError('no licence')\n")
    assert "blob" in shapes
    with pytest.raises(ArgumentError, match="shape 'blob' of acme cannot be loaded: no licence"):
        shapes.find("blob")


def test_listing_names_imports_nothing():
    code = (
        "import sys; from wsiseg.registry import Registry\n"
        f"print(list(Registry('shape', 'g', {SHAPES})), 'fractions' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['circle', 'square'] False"
