"""Mutilated tables of places: each gives one clear error on its line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.indicators import lists
from services.indicators.gazetteer import read_table

PLACES = (Path(lists.__file__).parent / "data" / "places-SE.csv").read_bytes()
Mutate = Callable[[bytes], bytes]
ROW = "area,Uppsala län,Uppsala län"


def swap(old: str, new: str | bytes) -> Mutate:
    """Replace the first *old*."""

    def mutate(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new if isinstance(new, bytes) else new.encode(), 1)

    return mutate


@pytest.mark.parametrize(
    ("mutate", "mark", "reason"),
    [
        (lambda _: b"", None, "the columns must be"),
        (lambda data: b"\xef\xbb\xbf" + data, None, "the columns must be"),
        (lambda data: data[: data.index(b"kind,text,area")], None, "the columns must be"),
        (swap("kind,text,area", "kind,area,text"), "kind,area,text", "the columns must be"),
        (swap("kind,text,area", "kind,text"), "kind,text\n", "the columns must be"),
        (swap(ROW, ROW + ",again"), ROW + ",again", "4 cells instead of 3"),
        (swap(ROW, "area,Uppsala län"), "area,Uppsala län\n", "2 cells instead of 3"),
        (swap(ROW, "region,Uppsala län,Uppsala län"), "region,Uppsala", "kind 'region' is none of"),
        (swap(ROW, "area,,Uppsala län"), "area,,Uppsala", "a cell is empty"),
        (swap(ROW, "area,Uppsala län ,Uppsala län "), "area,Uppsala län ,", "begins or ends with a blank"),
        (swap(ROW, "area,Upp\x00sala län,Upp\x00sala län"), "area,Upp\x00", "control character"),
        (swap(ROW, "area,Uppsala län,Atlantis"), "Atlantis", "area 'Atlantis' stands in no row"),
        (swap(ROW, 'area,"Uppsala län,Uppsala län'), 'area,"Uppsala', "not CSV"),
        (swap(ROW, b"area,Uppsala l\xe4n,Uppsala l\xe4n"), "area,Uppsala l", "not UTF-8"),
        (lambda data: data + (ROW + "\n").encode(), None, "a second row for 'Uppsala län'"),
        (lambda data: data + "name,UPPSALA LÄN,Uppsala län\n".encode(), "name,UPPSALA", "a second row"),
        (lambda data: data + "postcode,1x,Uppsala län\n".encode(), "postcode,1x", "is not two to five digits"),
        (lambda data: data + "postcode,123456,Uppsala län\n".encode(), "postcode,123456", "is not two to five"),
        (
            lambda data: data + "postcode,\u0667\u0667,Uppsala län\n".encode(),
            "postcode,\u0667\u0667",
            "is not two to five",
        ),
        (lambda data: data + 2 * "postcode,00,Uppsala län\n".encode(), None, "a second row for postcode 00"),
    ],
)
def test_a_mutilated_table_of_places_is_refused_on_its_line(
    tmp_path: Path, mutate: Mutate, mark: str | None, reason: str
) -> None:
    """File, line, one reason; nothing of it is used."""
    path, data = tmp_path / "places-XX.csv", mutate(PLACES)
    path.write_bytes(data)

    with pytest.raises(Misconfigured) as error:
        read_table(path)

    told = str(error.value)
    assert told.startswith(f"{path}:")
    assert "\n" not in told
    line, _, said = told.removeprefix(f"{path}:").partition(": ")
    assert reason in said
    assert mark is None or int(line) == data[: data.index(mark.encode())].count(b"\n") + 1


def test_other_line_ends_are_the_same_table(tmp_path: Path) -> None:
    """A table saved on another system is as good."""
    ours, theirs = tmp_path / "places-AA.csv", tmp_path / "places-BB.csv"
    ours.write_bytes(PLACES)
    theirs.write_bytes(PLACES.replace(b"\n", b"\r\n"))

    assert read_table(ours) == read_table(theirs)
    assert len(read_table(ours).names) > 200
