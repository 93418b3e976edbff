"""Mutilated lists of networks and exits: each gives one clear error on its line, and lists in use stay."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.geolocate.geodata import SHIPPED, Geodata
from services.geolocate.networks import load_networks
from tests.support.geodata import write_source

NETWORKS = (SHIPPED / "networks.toml").read_bytes()
EXITS = (SHIPPED / "tor-exits.txt").read_bytes()
Mutate = Callable[[bytes], bytes]


def swap(old: str, new: str | bytes) -> Mutate:
    """Replace the first *old*."""

    def mutate(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new if isinstance(new, bytes) else new.encode(), 1)

    return mutate


def line_with(data: bytes, mark: str) -> int:
    """The first line that holds *mark*."""
    return data[: data.index(mark.encode())].count(b"\n") + 1


def refusal(folder: Path, name: str, data: bytes) -> tuple[int, str]:
    """The line and the reason with which the list *name* is refused."""
    (folder / name).write_bytes(data)
    with pytest.raises(Misconfigured) as error:
        load_networks([folder])
    told = str(error.value)
    assert "\n" not in told
    assert told.startswith(f"{folder / name}:"), told
    line, _, reason = told.removeprefix(f"{folder / name}:").partition(": ")
    return int(line), reason


FIRST = NETWORKS[NETWORKS.index(b"[[operator]]") :].split(b"\n\n", 1)[0].decode()
KIND = next(line for line in FIRST.splitlines() if line.startswith("kind"))
DATE = next(line for line in FIRST.splitlines() if line.startswith("date"))
ID = next(line for line in FIRST.splitlines() if line.startswith("id"))
BLOCK = '"104.16.0.0/13"'


@pytest.mark.parametrize(
    ("mutate", "mark", "reason"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, None, "byte-order mark"),
        (swap(KIND, KIND.encode() + b" # \xff\xfe"), KIND, "not UTF-8"),
        (lambda data: data[: len(data) // 2], None, "not TOML|missing"),
        (lambda data: data + b"#" * (9 * 2**20), None, "larger than"),
        (lambda _: b"operator = 7", "operator", "operator"),
        (lambda _: b"[[operators]]\nid = 'x'", "operators", "unknown key"),
        (swap(KIND, 'kind = "planet"'), 'kind = "planet"', "kind"),
        (swap(KIND, 'kind = ["cdn"]'), 'kind = ["cdn"]', "kind"),
        (swap(KIND + "\n", ""), "[[operator]]", "'kind' is missing"),
        (swap(ID + "\n", ""), "[[operator]]", "'id' is missing"),
        (swap(DATE, "date = 2026-02-30"), "2026-02-30", "not TOML"),
        (swap(DATE, 'date = "yesterday"'), 'date = "yesterday"', "date"),
        (swap(KIND, KIND + "\ncolour = 1"), "colour", "unknown key"),
        (swap(KIND, KIND + "\n" + KIND), None, "not TOML"),
        (swap(BLOCK, '"104.16.0.0/33"'), "104.16.0.0/33", "104.16.0.0/33"),
        (swap(BLOCK, '"104.16.0.1/13"'), "104.16.0.1/13", "host bits"),
        (swap(BLOCK, '"104.16"'), '"104.16"', "104.16"),
        (swap(BLOCK, "7"), None, "cidr"),
        (swap(BLOCK, '""'), '""', "does not appear to be"),
        (swap("asn = [", "asn = [-1, "), "asn = [-1", "asn"),
        (swap("asn = [", 'asn = ["AS13335", '), 'asn = ["AS13335"', "asn"),
    ],
)
def test_a_mutilated_list_of_networks_is_refused_on_its_line(
    tmp_path: Path, mutate: Mutate, mark: str | None, reason: str
) -> None:
    """File, line, one reason."""
    data = mutate(NETWORKS)

    line, told = refusal(tmp_path, "networks.toml", data)

    assert any(one in told for one in reason.split("|")), told
    assert mark is None or line == line_with(data, mark), told


@pytest.mark.parametrize(
    ("mutate", "mark"),
    [
        (lambda data: data + b"\xff\xfe\n", None),
        (lambda data: data + b"198.51.100.7 # an exit\n", "198.51.100.7 #"),
        (lambda data: data + b"198.51.100.7/33\n", "198.51.100.7/33"),
        (lambda data: data + b"198.51.100.7/24\n", "198.51.100.7/24"),
        (lambda data: data + b"exit.example\n", "exit.example"),
        (lambda data: data + b"198.51.100.7, 198.51.100.8\n", "198.51.100.7, "),
        (lambda data: data + b"2001:db8::1::2\n", "2001:db8::1::2"),
        (lambda data: data[: len(data) // 2] + b"\x00" * 64, None),
    ],
)
def test_a_mutilated_list_of_exits_is_refused_on_its_line(tmp_path: Path, mutate: Mutate, mark: str | None) -> None:
    """One address or block a line, and the line that is none is named."""
    data = mutate(EXITS)

    line, told = refusal(tmp_path, "tor-exits.txt", data)

    assert told
    assert mark is None or line == line_with(data, mark), told


@pytest.mark.parametrize("name", ["networks.toml", "tor-exits.txt"])
def test_other_line_ends_are_the_same_list(tmp_path: Path, name: str) -> None:
    """A list saved on another system is as good."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_bytes((SHIPPED / name).read_bytes().replace(b"\n", b"\r\n"))

    ours, theirs = load_networks([SHIPPED]), load_networks([tmp_path / "own"])

    kept = {(one.id, one.kind, one.blocks, one.numbers) for one in theirs.listed}
    assert kept
    assert kept <= {(one.id, one.kind, one.blocks, one.numbers) for one in ours.listed}


def test_the_lists_in_use_stay_when_a_folder_gets_a_bad_one(tmp_path: Path) -> None:
    """Nothing is refused in silence: the problem is told, the edge is still an edge."""
    write_source(tmp_path / "one.mmdb", {"104.16.0.0/13": "US"}, kind="Vidare-Country", epoch=1_790_000_000)
    geodata = Geodata(lambda: tmp_path)
    before = geodata.look_up("104.16.0.7").operator
    assert before is not None

    (tmp_path / "networks.toml").write_bytes(swap(BLOCK, '"104.16.0.1/13"')(NETWORKS))
    assert geodata.refresh()

    after = geodata.look_up("104.16.0.7").operator
    assert after is not None
    assert after.id == before.id
    assert "host bits" in next(iter(geodata.problems.values()))
    assert "the old lists stay in use" in next(iter(geodata.problems.values()))
