"""What a shape is called itself, beside its class."""

import json

import pytest

from wsiseg.annotations import read_annotations

RING = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]
CORNERS = "".join(f'<Coordinate Order="{k}" X="{x}" Y="{y}"/>' for k, (x, y) in enumerate(RING[:4]))
VERTICES = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in RING[:4])
ASAP = (
    '<ASAP_Annotations><Annotations><Annotation Name="left edge" Type="Polygon" '
    f'PartOfGroup="tumour"><Coordinates>{CORNERS}</Coordinates></Annotation></Annotations>'
    '<AnnotationGroups><Group Name="tumour" Color="#ff0000"/></AnnotationGroups></ASAP_Annotations>'
)
IMAGESCOPE = (
    '<Annotations><Annotation Name="tumour"><Regions><Region Type="0" Text="left edge">'
    f"<Vertices>{VERTICES}</Vertices></Region></Regions></Annotation></Annotations>"
)


def feature(**properties):
    geometry = {"type": "Polygon", "coordinates": [RING]}
    return json.dumps({"type": "Feature", "geometry": geometry, "properties": properties})


@pytest.mark.parametrize(
    ("content", "name", "title"),
    [
        (feature(name=" left edge "), None, "left edge"),
        (feature(name="left edge", classification={"name": "tumour"}), "tumour", "left edge"),
        (feature(classification={"name": "tumour"}), "tumour", None),
        (feature(name=7), None, None),
        (feature(name=""), None, None),
        (ASAP, "tumour", "left edge"),
        (IMAGESCOPE, "tumour", "left edge"),
    ],
)
def test_a_shape_has_a_title_beside_its_class(tmp_path, content, name, title):
    path = tmp_path / "drawn"
    path.write_text(content)
    (drawn,) = read_annotations(path).annotations
    assert (drawn.name, drawn.title) == (name, title)
