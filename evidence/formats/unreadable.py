"""Why nobody reads a body, said of its (decompressed) beginning.

Owns the sentences for what is no text at all, and for text that is no evidence. Pure.
"""

import re

from evidence.formats import beginnings

# What begins so is no log but holds one, maybe: other than gzip, zlib and zstd it is not unpacked.
_WRAPPED = {
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "an empty ZIP archive",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ\x00": "packed by xz",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\x04\x22\x4d\x18": "packed by LZ4",
    b"\xff\x06\x00\x00sNaPpY": "packed by Snappy",
    b"PAR1": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"ElfFile\x00": "a Windows event log file",
    b"SQLite format 3\x00": "a SQLite database",
    b"%PDF-": "a PDF",
}
_WIDE = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
# As deep as the parser of JSON goes.
_DEEPEST = 1_024
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\]]', re.DOTALL)
# The end of a beginning may cut a character: so many bytes of one, at most.
_LONGEST_CHARACTER = 4


def no_text(head: bytes) -> str:
    """What it is that is no text we could read; empty: it may be. As in "it is ..."."""
    if not head.strip():
        return "empty"
    for magic, what in _WRAPPED.items():
        if head.startswith(magic):
            return f"{what}: unpack it, and send the log that is in it as text"
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            return f"written in {name}: write it as UTF-8"
    if head[:1] in (b"{", b"[", b'"') and head[1:2] == b"\0":
        return "written in UTF-16 or UTF-32: write it as UTF-8"
    if head[:2] in (b"\0{", b"\0["):
        return "written in UTF-16: write it as UTF-8"
    if not head[:4_096].strip(b"\0"):
        return "made of zero bytes, not of text"
    return ""


def why(head: bytes) -> str:
    """What keeps any format from reading this; empty: nothing but that none knows it."""
    said = no_text(head)
    if said:
        return said
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as problem:
        if problem.start < len(head) - _LONGEST_CHARACTER:
            byte = head[problem.start]
            return f"not UTF-8: byte 0x{byte:02x} at {problem.start:,}: write it as UTF-8"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") and _deep(head):
        return f"JSON that is nested more than {_DEEPEST:,} deep, which no log is"
    said = beginnings.broken(head)
    return f"broken JSON: {said}: correct it where it is written" if said else ""


def _deep(head: bytes) -> bool:
    depth = 0
    for match in _BRACKETS.finditer(head):
        sign = head[match.start()]
        if sign in b"{[":
            depth += 1
            if depth > _DEEPEST:
                return True
        elif sign in b"}]":
            depth -= 1
    return False
