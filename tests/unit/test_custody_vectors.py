"""The arithmetic of custody against published vectors, made with another implementation."""

import base64
import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from contracts.custody import commitment, inclusion_path, leaf_hash, log_entry, root_from_path, tree_root

SALT = bytes(range(32))
RECORD: dict[str, str | int | None] = {
    "v": 1,
    "kind": "tip.accepted",
    "event": "0193f3a0-0000-7000-8000-0000000000e0",
    "tip": "0193f3a0-0000-7000-8000-000000000001",
    "seq": 0,
    "prev": None,
    "at": "2026-11-22T13:20:00.000Z",
    "service": "intake",
    "actor": "hotline:example",
    "body": "sha-256:7c51c4bfeb2411096e796a9696f10397b1ea5a235d97bb341b0d131ca97de004",
}
COMMIT = "438ea3fd6904e88ca9d92794a425ad69abaa9ba516cc8c0b499542a03db6630a"
LEAF = "7d4260f9f5fde504e3e42d9a43f89819c17ac55ce3a053e5d06de4fc4e33b0ab"
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "bab16e7f9cc4a6eda5512b9ec5c94ca0719de1bfbe09b83fbd8b99ea648a2945",
    2: "d1fba5c1d5028042af680c4cb1b3e19f8cd7b0da6d7073633e60a02abe853ba4",
    3: "48d9f61eeea35ca26022525744b8c8c6822f5c7ab40de4e5f8e36f0d02e4d02e",
    4: "dfe98e4df58d38b2867249e500f18d5f0ad7a84080cec3b771b97023843cc401",
    7: "98611062e9a22d25e30dcaff5094bd2d2648b5875689540f6d1f40b2379b6e38",
}
PATH_3_OF_7 = (
    "b2jQacZ7RyYynmnVsgZKulGWn1Rzo+EV+acJVm+OgF4=",
    "0fulwdUCgEKvaAxMsbPhn4zXsNptcHNjPmCgKr6FO6Q=",
    "OJQYYArUK6t/blwyDrE2zDzEPjaF3k1FBoxdfvGWebg=",
)


def the_leaves() -> list[bytes]:
    """Leaf hashes of the published tree: entry 3 is the record, the others are made of their index."""
    entries = [log_entry(hashlib.sha256(bytes([index])).digest()) for index in range(7)]
    entries[3] = log_entry(commitment(SALT, rfc8785.dumps(RECORD)))
    return [leaf_hash(entry) for entry in entries]


def test_the_commitment_of_the_published_record() -> None:
    """Canonical JSON, salt and domain give the published commitment and leaf."""
    commit = commitment(SALT, rfc8785.dumps(RECORD))

    assert commit.hex() == COMMIT
    assert leaf_hash(log_entry(commit)).hex() == LEAF


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_the_roots_of_the_published_tree(size: int, root: str) -> None:
    """Every published size has its published root."""
    assert tree_root(the_leaves()[:size]).hex() == root


def test_the_published_inclusion_path() -> None:
    """The proof of entry 3 among 7 is the published one, and leads to the root."""
    leaves = the_leaves()
    path = inclusion_path(3, leaves)

    assert tuple(base64.b64encode(part).decode() for part in path) == PATH_3_OF_7
    assert root_from_path(3, 7, leaves[3], path).hex() == ROOTS[7]


@given(size=st.integers(1, 70), data=st.data())
def test_a_path_leads_to_the_root_and_no_other_place(size: int, data: st.DataObject) -> None:
    """For every tree and leaf: the path proves the leaf where it is, and neither another leaf nor a shorter path."""
    leaves = [leaf_hash(index.to_bytes(2, "big")) for index in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, leaves)

    assert root_from_path(index, size, leaves[index], path) == tree_root(leaves)
    assert root_from_path(index, size, leaf_hash(b"another"), path) != tree_root(leaves)
    if path:
        with pytest.raises(ValueError, match="too short"):
            root_from_path(index, size, leaves[index], path[:-1])
    with pytest.raises(ValueError, match="too long"):
        root_from_path(index, size, leaves[index], [*path, path[0] if path else leaves[0]])


def test_a_short_salt_is_refused() -> None:
    """A salt that could be guessed would open every commitment."""
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(b"short", b"{}")


def test_there_is_no_path_outside_the_tree() -> None:
    """Neither making nor checking a proof accepts a place that does not exist."""
    with pytest.raises(IndexError):
        inclusion_path(7, the_leaves())
    with pytest.raises(ValueError, match="not in a tree"):
        root_from_path(7, 7, b"", [])
