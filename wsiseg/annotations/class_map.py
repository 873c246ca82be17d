"""Class maps: which class each name or value in an annotation file stands for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from wsiseg.annotations.labels import IGNORED
from wsiseg.classes import Colour, LabelClass, check_class_name, distinct_colour
from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError, ArgumentError
from wsiseg.store.metadata import NOT_ANALYSED
from wsiseg.yaml_files import compose_yaml

UNANNOTATED, UNCLASSIFIED = "unannotated", "unclassified"
"""Keys for the area without annotation, and for shapes without a class."""

IGNORE, EXHAUSTIVE = "ignore", "exhaustive"
"""Instead of a class: a key is left out, or its shapes are regions that are fully annotated."""


@dataclass(frozen=True)
class ClassMap:
    """Maps the names and values in annotation files to the classes that a network learns.

    Attributes
    ----------
    classes : tuple of LabelClass
        In the order of the labels.
    targets : mapping of str to int or None
        The label of each name or value; None marks a region that is annotated exhaustively.
    ground : int
        The label of area without annotation: all of it, or where regions are marked as exhaustive,
        only that inside them.
    ranks : mapping of int to int
        Labels with a higher rank are painted over lower ones, and over those without a rank.
    strict : bool
        Whether shapes without a class are errors, unless `targets` has them; else they are ignored.

    Examples
    --------
    >>> class_map = ClassMap.read("tumour=tumour,tumor=tumour,stroma=stroma,artefact=ignore")
    >>> [entry.name for entry in class_map.classes]
    ['tumour', 'stroma']
    >>> class_map.label("tumor", Path("a.geojson"))
    0
    """

    classes: tuple[LabelClass, ...]
    targets: Mapping[str, int | None]
    ground: int = IGNORED
    ranks: Mapping[int, int] = field(default_factory=dict)
    strict: bool = False

    @classmethod
    def read(cls, text: str) -> ClassMap:
        """Read ``KEY=CLASS,…`` or a YAML or JSON file with the same keys and classes.

        A key is a name, or a value of a painted mask.  Keys that share a class are merged.
        ``ignore`` leaves a key out, ``exhaustive`` marks its shapes as regions in which everything
        is annotated.  ``unannotated=CLASS`` says what area without annotation is, and
        ``unclassified=CLASS`` what shapes without a class are.

        A file holds either such a mapping or two of them, ``map`` and ``colours``
        (``CLASS: "#rrggbb"``), and may have a list ``order`` beside them: of its classes, a later
        one is painted over those before it, and over all that it does not name.

        Raises
        ------
        ArgumentError
            If it cannot be read, or names no class.
        """
        return cls.build(*read_pairs(text))

    @classmethod
    def build(
        cls,
        pairs: Mapping[str, str],
        colours: Mapping[str, Colour] | None = None,
        order: Sequence[str] = (),
    ) -> ClassMap:
        """Give the classes their labels, in the order in which they are first named.

        Parameters
        ----------
        pairs : mapping of str to str
            The class, ``ignore`` or ``exhaustive``, of each key.
        colours : mapping of str to tuple of int, optional
            RGB of some of the classes; the others get distinct ones.
        order : sequence of str, optional
            Classes, or ``ignore``, in the order in which they are painted.

        Raises
        ------
        ArgumentError
            If it names no class, more than 255 of them, one that masks have no place for or that no
            checkpoint may have, or has exhaustive regions without a class for what is not annotated
            in them; or if `order` names what is no class, or one twice.
        """
        names = list(dict.fromkeys(n for n in pairs.values() if n not in (IGNORE, EXHAUSTIVE)))
        if not names:
            raise ArgumentError("the class map names no class", "`class_map`", _EXAMPLE)
        if len(names) > IGNORED:
            raise ArgumentError(
                f"the class map names {len(names)} classes, more than {IGNORED}", "`class_map`"
            )
        if NOT_ANALYSED in names:
            raise ArgumentError(
                f"{NOT_ANALYSED!r} is what masks call pixels without a class",
                "`class_map`",
                f"Map it to another name, or to {IGNORE}.",
            )
        for name in names:
            _refuse_bad_name(name)
        labels: dict[str, int | None] = {name: index for index, name in enumerate(names)}
        labels |= {IGNORE: IGNORED, EXHAUSTIVE: None}
        targets = {key: labels[name] for key, name in pairs.items()}
        ground = targets.pop(UNANNOTATED, IGNORED)
        if ground is None or (ground == IGNORED and None in targets.values()):
            raise ArgumentError(
                "exhaustive regions need to know what their unannotated area is",
                "`class_map`",
                f"Add {UNANNOTATED}=CLASS.",
            )
        known = labels.keys() - {EXHAUSTIVE}
        for place, name in enumerate(order):
            if name not in known or name in order[:place]:
                what = "twice" if name in known else "which is not a class"
                raise ArgumentError(
                    f"the order of painting names {name!r}, {what}",
                    "`class_map`",
                    _suggest(name, names),
                )
        given = colours or {}
        classes = tuple(
            LabelClass(name, given.get(name, distinct_colour(index)))
            for index, name in enumerate(names)
        )
        ranks = {
            label: order.index(n) for n, label in labels.items() if label is not None and n in order
        }
        return cls(classes, targets, ground, ranks)

    @property
    def names(self) -> dict[int, str]:
        """The name of each label, for messages."""
        return {**{index: entry.name for index, entry in enumerate(self.classes)}, IGNORED: IGNORE}

    def leaves_out(self, key: str | None) -> bool:
        """Tell whether a shape is ignored only because nothing says what it is."""
        return key is None and UNCLASSIFIED not in self.targets

    @property
    def exhaustive(self) -> bool:
        """Whether some regions are marked as annotated exhaustively."""
        return None in self.targets.values()

    def label(self, key: str | None, where: Path) -> int | None:
        """Return the label of a name or value; None for an exhaustive region.

        Parameters
        ----------
        key : str or None
            The name or value; None for a shape without a class.
        where : Path
            The file, for errors.

        Raises
        ------
        AnnotationError
            If the map does not have it; shapes without a class are ignored unless it is strict.
        """
        wanted = UNCLASSIFIED if key is None else key
        if wanted in self.targets:
            return self.targets[wanted]
        if key is None and not self.strict:
            return IGNORED
        if key is None:
            raise AnnotationError(
                "an annotation has no class",
                where,
                f"Add {UNCLASSIFIED}=ignore or {UNCLASSIFIED}=CLASS to `class_map`, or leave out "
                "`strict`.",
            )
        raise AnnotationError(
            f"{wanted!r} in the annotations is not in the class map",
            where,
            f"{_suggest(wanted, list(self.targets))} {wanted}={IGNORE} leaves it out.",
        )

    def table(self, keys: Mapping[int, str], where: Path) -> dict[int, int]:
        """Return the label of every value of a painted mask.

        Parameters
        ----------
        keys : mapping of int to str
            The name of each value, or the number if it has none.
        where : Path
            The file, for errors.

        Raises
        ------
        AnnotationError
            If a key is unknown, or means a region.
        """
        found = {}
        for value, key in keys.items():
            label = self.label(key, where)
            if label is None:
                raise AnnotationError(
                    f"{key!r} marks a region as exhaustive; a painted mask has no such regions",
                    where,
                    f"Map it to a class or to {IGNORE}.",
                )
            found[value] = label
        return found

    @property
    def values(self) -> dict[int, str]:
        """The keys that are values of painted masks, 0 to 65535."""
        numbers = {int(key): key for key in self.targets if _NUMBER.fullmatch(key)}
        return {number: key for number, key in numbers.items() if number < 65536}


Pairs = Mapping[str, str]
"""The class, ``ignore`` or ``exhaustive``, of each key."""


def read_pairs(text: str) -> tuple[Pairs, Mapping[str, Colour], Sequence[str]]:
    """Return the pairs, colours and painting order of a class map; see :meth:`ClassMap.read`.

    Raises
    ------
    ArgumentError
        If it cannot be read.
    """
    return _read_file(Path(text)) if _names_file(text) else (_read_inline(text), {}, ())


def names_nothing(pairs: Pairs) -> bool:
    """Tell whether a class map names nothing but unannotated area and shapes without a class."""
    return bool(pairs) and pairs.keys() <= {UNANNOTATED, UNCLASSIFIED}


_SHOWN = 20
_NULL = "tag:yaml.org,2002:null"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,4}")
_EXAMPLE = 'Write it like "0=background,255=gland", or name a YAML file.'


def _refuse_bad_name(name: str) -> None:
    try:
        check_class_name(name)
    except ValueError as error:
        short = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
        raise ArgumentError(
            f"{short!r} cannot be a class: {error}",
            "`class_map`",
            "Map it to another name in `class_map`.",
        ) from error


def _suggest(name: str, known: Sequence[str]) -> str:
    # Names that differ in their case only are as near as can be.
    folded = {entry.casefold(): entry for entry in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f"Did you mean {folded[near[0]]!r}?" if near else f"It knows {_few(known)}."


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _names_file(text: str) -> bool:
    if "=" not in text:
        return True
    try:
        return Path(text).is_file()
    except OSError:
        # Too long for a path, so it is a map.
        return False


def _read_inline(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, _, name = (piece.strip() for piece in part.partition("="))
        if not key or not name:
            raise ArgumentError(f"{part!r} is not of the form KEY=CLASS", "`class_map`", _EXAMPLE)
        if key in pairs:
            raise ArgumentError(f"{key!r} is given two meanings", "`class_map`")
        pairs[key] = name
    return pairs


def _read_file(path: Path) -> tuple[dict[str, str], dict[str, Colour], tuple[str, ...]]:
    if not path.exists():
        raise ArgumentError(
            "there is no such file, and without = it is not a class map", path, _EXAMPLE
        )
    with translate_errors(
        lambda why: ArgumentError(f"the class map cannot be read: {why}", path, _EXAMPLE)
    ):
        # Nodes, not values: YAML would turn the keys No, 010 and 2024-01-01 into something else.
        node = compose_yaml(path)
    content = _entries(node, path)
    if not any(isinstance(value, yaml.MappingNode) for value in content.values()):
        return _texts(content, path), {}, ()
    unknown = content.keys() - {"map", "colours", "order"}
    if unknown or "map" not in content:
        raise ArgumentError(
            "the class map holds more than keys and classes",
            path,
            'Write "KEY: CLASS" lines, or put them under "map"; beside it, "colours" and "order".',
        )
    pairs = _texts(_entries(content["map"], path), path)
    colours = _texts(_entries(content["colours"], path), path) if "colours" in content else {}
    for name in colours.keys() - set(pairs.values()):
        raise ArgumentError(
            f"there is a colour for {name!r}, which is not a class",
            path,
            _suggest(name, list(dict.fromkeys(pairs.values()))),
        )
    order = _list(content["order"], path) if "order" in content else ()
    return pairs, {name: _parse_colour(text, path) for name, text in colours.items()}, order


def _list(node: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(node, yaml.SequenceNode) or not all(
        isinstance(entry, yaml.ScalarNode) for entry in node.value
    ):
        raise ArgumentError("the order of painting is not a list of classes", path)
    return tuple(str(entry.value) for entry in node.value)


def _entries(node: Any, path: Path) -> dict[str, Any]:
    """Return the values of a mapping by their keys, as they are written."""
    if not isinstance(node, yaml.MappingNode):
        raise ArgumentError("the class map is not a mapping of keys to classes", path, _EXAMPLE)
    found: dict[str, Any] = {}
    for key, value in node.value:
        name, line = key.value, key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not name:
            raise ArgumentError(f"line {line} has no name or number as its key", path, _EXAMPLE)
        if name in found:
            raise ArgumentError(f"line {line} gives {name!r} a second meaning", path)
        found[name] = value
    return found


def _texts(entries: Mapping[str, Any], path: Path) -> dict[str, str]:
    for key, node in entries.items():
        if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL or not node.value:
            raise ArgumentError(
                f"{key!r} in line {node.start_mark.line + 1} names no class or colour",
                path,
                "Texts that begin with # need quotation marks.",
            )
    return {key: str(node.value) for key, node in entries.items()}


def _parse_colour(text: str, path: Path) -> Colour:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ArgumentError(f"{text!r} is not a colour", path, 'Write it like "#c80000".')
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
