import csv
import io

import pytest

from wsiseg.csv_tables import to_csv
from wsiseg.text import escape_unprintable


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\bc\nd\te", r"a\rb\x08c\nd\te"),
        ("gpj.\u202esvs", r"gpj.\u202esvs"),
        ("\u2066a\u2069\u200e\u200f\u061c", r"\u2066a\u2069\u200e\u200f\u061c"),
        ("a\u200bb\ufeff\u2028", r"a\u200bb\ufeff\u2028"),
        ("a\udcff\ud800", r"a\udcff\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("10×20 µm → …", "10×20 µm → …"),
        ("組織\u3000a b", "組織\u3000a b"),
        ("[red]a[/red] :smile:", "[red]a[/red] :smile:"),
    ],
)
def test_what_steers_a_terminal_or_hides_in_it_is_escaped(text, seen):
    assert escape_unprintable(text) == seen
    seen.encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        *('=HYPERLINK("http://a","b")', "+1+1", "-1+2", "@SUM(A1)", " =1", "＝1", "-", "=-1"),
        *("\t=1", "\r=1", "\n=1"),
    ],
)
def test_text_is_no_formula(text):
    cell = to_csv(["class"], [[text]]).splitlines()[1]
    (value,) = next(csv.reader([cell]))
    assert value[0] not in "=+-@\t\r\n ＝"
    assert value.endswith(text.strip())


@pytest.mark.parametrize("value", [-1.5, -2, 0.25, "-1.5", "+3", "-1e-05", "-inf", "nan", "gland"])
def test_numbers_and_plain_text_stay_as_they_are(value):
    assert to_csv(["x"], [[value]]) == f"x\n{value}\n"


def test_a_table_is_read_back_as_it_was_written():
    rows = [["a,b", 1, None], ['"quoted"', -0.5, "µ"]]
    read = list(
        csv.reader(io.StringIO(to_csv(["name", "=n", "c"], rows, delimiter="\t")), "excel-tab")
    )
    assert read == [["name", "'=n", "c"], ["a,b", "1", ""], ['"quoted"', "-0.5", "µ"]]
