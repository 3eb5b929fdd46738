"""The tree over the ledger's rows: RFC 9162's own shapes, and the way from each row to its root."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from evidence import merkle


def by_the_book(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162, 2.1.1 defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    left, right = by_the_book(leaves[:half]), by_the_book(leaves[half:])
    return sha256(b"\1" + left + right).digest()


def leaves_of(many: int) -> list[bytes]:
    return [merkle.leaf(number, bytes([number % 251]) * 32) for number in range(1, many + 1)]


def test_leaf_and_node_are_told_apart() -> None:
    # Fixed for good: whoever has a proof has it for years.
    one = merkle.leaf(1, bytes(32))
    assert one == sha256(b"\0" + (1).to_bytes(8) + bytes(32)).digest()
    assert one.hex() == "c6f95ebdeb1dc8dcf5bb0518d73446c98d17c60867993647318c5034aac8ff7e"
    assert merkle.node(one, one) == sha256(b"\1" + one + one).digest()


@given(many=st.integers(0, 130), cut=st.integers(0, 130))
def test_root_is_the_book_s_however_many_come_at_once(many: int, cut: int) -> None:
    leaves = leaves_of(many)
    first = merkle.Peaks()
    first.add(leaves[:cut])
    then = merkle.Peaks(first.size, first.packed)
    then.add(leaves[cut:])
    assert then.root() == by_the_book(leaves)
    assert len(then.packed) == 32 * many.bit_count()


@given(many=st.integers(1, 130), data=st.data())
def test_every_row_leads_to_the_root_and_nothing_else_does(many: int, data: st.DataObject) -> None:
    leaves = leaves_of(many)
    root = by_the_book(leaves)
    index = data.draw(st.integers(0, many - 1))
    path = merkle.Tree(leaves).path(index)
    assert merkle.root_of(leaves[index], index, many, path) == root
    # Another row, another place, another size, a path that is longer, shorter or changed.
    other = data.draw(st.integers(0, many - 1))
    if other != index:
        assert merkle.root_of(leaves[other], index, many, path) != root
        assert merkle.root_of(leaves[index], other, many, path) != root
    assert merkle.root_of(leaves[index], index, many, [*path, root]) != root
    assert merkle.root_of(leaves[index], many, many, path) == b""
    if path:
        assert merkle.root_of(leaves[index], index, many, path[:-1]) != root
        at = data.draw(st.integers(0, len(path) - 1))
        changed = [*path[:at], bytes(32), *path[at + 1 :]]
        assert merkle.root_of(leaves[index], index, many, changed) != root
