"""
The arithmetic of custody: what anyone needs to check a proof, in the standard library.

An entry's canonical bytes (RFC 8785) are hidden in a salted commitment; the
commitment is a leaf of an RFC 6962 tree. A reader of the leaves learns how many
events there were and nothing else.
"""

import hashlib
import hmac
from collections.abc import Sequence

DOMAIN = b"mesh.ledger/custody/v1"
"""Separates these commitments from every other use of the same hash; part of the format, never changed."""

SALT_BYTES = 32
ENTRY = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()


def commitment(salt: bytes, canonical: bytes) -> bytes:
    """
    Commit to the *canonical* JSON of an entry: hides it from who lacks *salt*, binds who has it.

    Raises:
        ValueError: *salt* is not 32 bytes; a guessable salt would let addresses be guessed.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, this one {len(salt)}")
    return hmac.digest(salt, DOMAIN + b"\x00" + canonical, "sha256")


def log_entry(commit: bytes) -> bytes:
    """Make the 33 bytes that the log holds of one commitment."""
    return ENTRY + commit


def leaf_hash(entry: bytes) -> bytes:
    """Hash a leaf. Source: RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node. Source: RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """Largest power of two below *size*."""
    return 1 << (size - 1).bit_length() - 1


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Compute the root over leaf hashes *leaves*."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    left = _split(len(leaves))
    return node_hash(tree_root(leaves[:left]), tree_root(leaves[left:]))


def inclusion_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """
    List the hashes that prove leaf *index*, its sibling first.

    Raises:
        IndexError: There is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    left = _split(len(leaves))
    if index < left:
        return [*inclusion_path(index, leaves[:left]), tree_root(leaves[left:])]
    return [*inclusion_path(index - left, leaves[left:]), tree_root(leaves[:left])]


def root_from_path(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """
    Compute the root that *path* leads to from *leaf*, the leaf hash at *index* of *size*.

    Raises:
        ValueError: The path has the wrong length for this place in this tree.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not in a tree of {size}")
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long for this tree")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ValueError("the path is too short for this tree")
    return root
