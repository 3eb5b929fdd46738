"""Taking a name out of a file: exactly that, and nothing where it would be a guess."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identities.enforcers.file_edits import Edit, Unsure

MEMBER = Edit(path="a.tf", remove="member", match='"{name}"')
LINE = Edit(path="a.yaml", remove="line", match="- {name}")
BLOCK = Edit(path="a.tf", remove="block", match='resource "okta_user" "{name}" {')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('a = ["x", "svc", "y"]\n', 'a = ["x", "y"]\n'),
        ('a = ["svc", "y"]\n', 'a = ["y"]\n'),
        ('a = ["x", "svc"]\n', 'a = ["x"]\n'),
        ('a = ["svc"]\n', "a = []\n"),
        ('a = [\n  "x",\n  "svc",\n  "y",\n]\n', 'a = [\n  "x",\n  "y",\n]\n'),
        ('a = [\n  "x",\n  "svc"\n]\n', 'a = [\n  "x"\n]\n'),
        ('a = [\n  "svc",\n]\n', "a = [\n]\n"),
        ('a = [\n  "svc"\n]\n', "a = [\n]\n"),
        ('a = [\r\n  "svc",\r\n  "x"\r\n]\r\n', 'a = [\r\n  "x"\r\n]\r\n'),
        ('a = ["x",\n  "svc", "y"]', 'a = ["x",\n  "y"]'),
        ('# "svc" may\na = ["svc", "svc-2"]\n', '# "svc" may\na = ["svc-2"]\n'),
        ('{"a": "svc", "b": ["svc"]}', '{"a": "svc", "b": []}'),
    ],
)
def test_a_member_goes_with_its_comma(before: str, after: str) -> None:
    assert MEMBER.names(before, "svc")
    assert MEMBER.without(before, "svc") == after
    assert not MEMBER.names(after, "svc")


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (LINE, "users:\n  - ana\n  - svc\n  - svc-2\n", "users:\n  - ana\n  - svc-2\n"),
        (LINE, "- svc", ""),
        (
            BLOCK,
            'a\n\nresource "okta_user" "svc" {\n  x {\n  }\n}\n\nb\n',
            "a\n\nb\n",
        ),
        (
            BLOCK,
            '  resource "okta_user" "svc" {\n    x = 1\n  }\n}\n',
            "}\n",
        ),
    ],
)
def test_a_line_or_block_goes_whole(edit: Edit, before: str, after: str) -> None:
    assert edit.without(before, "svc") == after
    assert not edit.names(after, "svc")


@pytest.mark.parametrize(
    ("edit", "text", "why"),
    [
        (MEMBER, 'a = ["svc"]\nb = ["svc"]\n', "stands there 2 times"),
        (MEMBER, 'a = "svc"\n', "stands there 0 times"),
        (LINE, "- svc\n- svc\n", "stands there 2 times"),
        (LINE, "- svc # ana's\n", "stands there 0 times"),
        (BLOCK, 'resource "okta_user" "svc" {\n  x = 1\n', "has no end }"),
        (BLOCK, 'resource "okta_user" "svc" {\n  }\n', "has no end }"),
    ],
)
def test_what_does_not_stand_there_once_is_not_guessed(edit: Edit, text: str, why: str) -> None:
    with pytest.raises(Unsure, match=why):
        edit.without(text, "svc")


@pytest.mark.parametrize("name", ["", 'svc", "*', "svc\n", "${x}", "a b", "ä", "svc`", "x" * 201])
def test_a_name_that_means_something_in_a_file_is_refused(name: str) -> None:
    for edit in (MEMBER, LINE, BLOCK):
        with pytest.raises(Unsure, match="has letters that may mean something"):
            edit.names("", name)
        with pytest.raises(Unsure, match="has letters that may mean something"):
            edit.place(name)


@pytest.mark.parametrize("name", ["a/b", "..", "."])
def test_a_name_never_leads_to_another_file(name: str) -> None:
    edit = Edit(path="users/{name}/access.tf", remove="line", match="{name}")
    assert edit.place("svc") == "users/svc/access.tf"
    with pytest.raises(Unsure, match="is no name of a file"):
        edit.place(name)


NAMES = st.lists(st.sampled_from(["a", "ab", "b", "svc", "svc2", "x.y"]), unique=True, max_size=5)


@given(before=NAMES, after=NAMES, indent=st.sampled_from([None, 2]))
def test_a_list_in_json_stays_one_whatever_stands_beside_it(
    before: list[str], after: list[str], indent: int | None
) -> None:
    others = [one for one in (*before, *after) if one != "svc"]
    members = [one for one in before if one != "svc"] + ["svc"]
    members += [one for one in after if one != "svc"]
    text = json.dumps({"members": members}, indent=indent)
    assert json.loads(MEMBER.without(text, "svc")) == {"members": others}
