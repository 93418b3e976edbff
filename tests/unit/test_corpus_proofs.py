"""
Numbers 82, 84 and 85 of the hostile corpus, as far as the mesh has what they attack.

The arithmetic of a custody proof and the digest of a submission are here; signed
notes, their keys and their cosignatures are not built, and no test claims them.
"""

import base64
import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
import rfc8785

from contracts.custody import commitment, inclusion_path, leaf_hash, log_entry, node_hash, root_from_path, tree_root
from contracts.vocabulary import RefusalReason
from services.intake.check import Sent, read
from services.intake.refusal import Refused

SIZES = range(1, 18)
LEAVES = [leaf_hash(log_entry(bytes([number]) * 32)) for number in range(18)]

SALT = bytes(range(32))
COMMIT = "438ea3fd6904e88ca9d92794a425ad69abaa9ba516cc8c0b499542a03db6630a"
"""The published commitment of `WRITTEN`."""
WRITTEN = (
    '{"actor":"hotline:example","at":"2026-11-22T13:20:00.000Z","body":'
    '"sha-256:7c51c4bfeb2411096e796a9696f10397b1ea5a235d97bb341b0d131ca97de004",'
    '"event":"0193f3a0-0000-7000-8000-0000000000e0","kind":"tip.accepted","prev":null,"seq":0,"service":"intake",'
    '"tip":"0193f3a0-0000-7000-8000-000000000001","v":1}'
)


def holds(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether a proof that claims this place leads to the root of the tree of that size."""
    if size > len(LEAVES):
        return False
    try:
        return root_from_path(index, size, leaf, path) == tree_root(LEAVES[:size])
    except ValueError:
        return False


def swapped(path: Sequence[bytes], one: int, other: int) -> list[bytes]:
    """*path* with two of its hashes exchanged."""
    changed = list(path)
    changed[one], changed[other] = path[other], path[one]
    return changed


@pytest.mark.parametrize("size", SIZES)
def test_t82_a_mutilated_proof_leads_nowhere(size: int) -> None:
    """82: at every place of every tree: a bit in any byte, two hashes exchanged, one more, one less, another leaf."""
    for index in range(size):
        leaf, path = LEAVES[index], inclusion_path(index, LEAVES[:size])
        assert holds(index, size, leaf, path)
        whole = leaf + b"".join(path)
        for at in range(len(whole)):
            bad = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            assert not holds(index, size, bad[:32], [bad[n : n + 32] for n in range(32, len(bad), 32)])
        for one, other in combinations(range(len(path)), 2):
            assert not holds(index, size, leaf, swapped(path, one, other))
        assert not holds(index, size, leaf, [*path, LEAVES[0]])
        assert not any(holds(index, size, leaf, [*path[:n], *path[n + 1 :]]) for n in range(len(path)))
        assert not any(holds(index, size, LEAVES[n], path) for n in range(size) if n != index)


@pytest.mark.parametrize("size", SIZES)
def test_t82_a_proof_is_of_one_place_in_one_tree(size: int) -> None:
    """82: index or size one up or down, or a size from before or after: the proof holds for nothing else."""
    for index in range(size):
        leaf, path = LEAVES[index], inclusion_path(index, LEAVES[:size])

        assert not any(holds(other, size, leaf, path) for other in range(-1, size + 1) if other != index)
        assert not any(holds(index, other, leaf, path) for other in range(size + 3) if other != size)


def test_t84_an_inner_node_is_never_a_leaf() -> None:
    """84: an entry that is made of two hashes, with or without the mark of a node, has the hash of no node."""
    for size in SIZES[1:]:
        left = 1 << (size - 1).bit_length() - 1
        parts = tree_root(LEAVES[:left]), tree_root(LEAVES[left:size])
        root = tree_root(LEAVES[:size])
        crafted = [b"".join(parts), b"\x01" + b"".join(parts), b"\x00" + b"".join(parts)]

        assert root == node_hash(*parts)
        assert root not in [leaf_hash(entry) for entry in (*crafted, *map(log_entry, crafted))]
        assert not any(holds(0, 1, leaf_hash(entry), []) for entry in crafted)


def spellings(text: str) -> dict[str, str]:
    """One JSON document, written otherwise."""
    fields = json.loads(text)
    return {
        "other order": json.dumps(dict(reversed(fields.items()))),
        "spaces": json.dumps(fields, indent=2),
        "trailing newline": text + "\n",
        "escaped": text.replace(":example", ":\\u0065xample").replace("/", "\\/").replace("intake", "\\u0069ntake"),
    }


NUMBERS = {"1.0": "1.0", "1e0": "1e0", "10e-1": "10e-1", "1E+0": "1E+0"}


@pytest.mark.parametrize("how", [*spellings(WRITTEN), *NUMBERS])
def test_t85_one_entry_has_one_commitment_however_it_is_written(how: str) -> None:
    """85: order, spaces, escapes, a newline at the end, and every spelling of the number 1: the published one."""
    text = spellings(WRITTEN).get(how) or WRITTEN.replace('"v":1', f'"v":{NUMBERS[how]}')

    assert text != WRITTEN
    assert commitment(SALT, rfc8785.dumps(json.loads(text))).hex() == COMMIT


def test_t85_names_are_in_the_order_of_utf_16() -> None:
    """85: an emoji is two units and comes before a letter of the last plane's end, whose code point is lower."""
    assert rfc8785.dumps({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800"], ids=ascii)
def test_t85_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """85: such an entry can't be committed to; two readers would not agree on its bytes."""
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        rfc8785.dumps({"v": value})


TIP = '{"reference":"E-1","kind":"csam","narrative":"/intake","people":[{"role":"victim","age":1}]}'


def content(text: str) -> str | RefusalReason:
    """What intake knows a submission again by, or why it is none."""
    found = read(text.encode("utf-8", "surrogatepass"))
    if isinstance(found, Refused):
        return found.reason
    assert isinstance(found, Sent)
    return found.content


@pytest.mark.parametrize("how", spellings(TIP))
def test_t85_a_submission_is_known_again_however_it_is_written(how: str) -> None:
    """85: a sender whose library writes otherwise sends a repeat, not a second tip."""
    text = spellings(TIP)[how]

    assert text != TIP
    assert content(text) == content(TIP)


@pytest.mark.parametrize("number", [*NUMBERS, "1e2", "-0", "0.1", "NaN", "9007199254740993"])
def test_t85_a_number_of_a_submission_has_one_spelling(number: str) -> None:
    """85: an age is written as a whole number; any other spelling is refused, and never digested as another tip."""
    assert content(TIP.replace('"age":1', f'"age":{number}')) is RefusalReason.INVALID_FIELD


def test_t85_what_is_another_text_is_another_content() -> None:
    """85: composed and decomposed letters, an emoji and its neighbour: bytes that differ are not the same words."""
    words = ["\u00e9", "e\u0301", "\U0001f600", "\ufb33", "\u05d3\u05bc"]

    assert len({content(TIP.replace("/intake", word)) for word in words}) == len(words)


def test_the_entry_of_these_tests_is_the_published_one() -> None:
    """A slip in copying it would make every spelling of it agree with a wrong value."""
    assert commitment(SALT, WRITTEN.encode()).hex() == COMMIT
    assert base64.b64encode(rfc8785.dumps(json.loads(WRITTEN))) == base64.b64encode(WRITTEN.encode())
