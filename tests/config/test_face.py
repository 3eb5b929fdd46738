"""The smallest pieces of pages: badges, times, sizes; foreign text stays text."""

from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template

from config import badges, moments
from config.templatetags import face

NOW = datetime(2026, 11, 24, 15, 48, 10, tzinfo=UTC)


def printed(template: str, **context: object) -> str:
    return Template("{% load face %}" + template).render(Context(context))


@pytest.mark.parametrize(
    ("value", "things", "words"),
    [
        (0, "event", "0 events"),
        (1, "event", "1 event"),
        (2, "event", "2 events"),
        (184_302, "event", "184,302 events"),
        (1, "entry,entries", "1 entry"),
        (2, "entry,entries", "2 entries"),
        (None, "event", "– events"),
        (None, "entry,entries", "– entries"),
    ],
)
def test_count_is_said_with_its_thing(value: int | None, things: str, words: str) -> None:
    assert printed("{{ value|counted:things }}", value=value, things=things) == words


@pytest.mark.parametrize(
    ("seconds", "words", "how"),
    [
        (-7_800, "2 h 10 min over", "over"),
        (0, "0 s over", "over"),
        (59, "in 59 s", "soon"),
        (1_440, "in 24 min", "soon"),
        (3_601, "in 1 h", "later"),
        (61_910, "in 17 h 11 min", "later"),
        (86_400 * 9, "in 9 d", "later"),
    ],
)
def test_deadline_is_said_in_words(seconds: int, words: str, how: str) -> None:
    assert moments.due(NOW + timedelta(seconds=seconds), NOW) == (words, how)


@pytest.mark.parametrize(
    ("value", "words"),
    [(999, "999 µs"), (187_000, "187 ms"), (1_500_000, "1.5 s"), (1_477_000_000, "24 min 37 s")],
)
def test_microseconds_are_said_in_their_unit(value: int, words: str) -> None:
    assert moments.micros(value) == words


def test_clock_counts_down_and_then_says_over() -> None:
    assert moments.clock(NOW + timedelta(hours=17, minutes=11, seconds=50), NOW) == "17:11:50"
    assert moments.clock(NOW + timedelta(days=4, seconds=61), NOW) == "4 d 00:01:01"
    assert moments.clock(NOW - timedelta(minutes=3), NOW) == "3 min over"


def test_badge_words_are_ours_or_the_views() -> None:
    assert badges.look("exact") == badges.Look("exact", "", "outline", 3)
    assert badges.look("outside", "5 findings").words == "5 findings"
    assert badges.look("something_else") == badges.Look("something else", "", "plain")


def test_every_badge_has_words_and_a_sign_that_is_not_colour() -> None:
    silent = {
        kind
        for kind, look in badges.LOOKS.items()
        if kind != "neutral" and not (look.words and (look.icon or look.bars or look.tone))
    }
    assert silent == set()


@pytest.mark.parametrize(
    "tag", ["badge thing", "badge thing words=text", "either text", "icon 'x' text"]
)
def test_foreign_text_is_escaped(tag: str) -> None:
    text = "<script>alert(1)</script>"
    page = printed(f"{{% {tag} %}}", thing={"kind": text, "words": text, "url": '"><b>'}, text=text)
    assert "<script>" not in page
    assert "<b>" not in page


def test_missing_things_say_so_and_break_nothing() -> None:
    assert printed("{% moment None %}") == '<span class="cs-muted">not known</span>'
    assert printed("{% badge nothing %}{% icon nothing %}{% share nothing 'x' %}") == ""
    assert printed("{% either a.b c 'nobody' %}|{{ none|cut:5 }}|{{ none|number }}", none=None) == (
        "nobody||–"
    )


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\x1b", "\x9b", "\ufeff"])
def test_characters_that_turn_or_hide_text_are_shown(hidden: str) -> None:
    assert face.shortened(f"a{hidden}b\n\tc") == "a\N{REPLACEMENT CHARACTER}b\n\tc"


@pytest.mark.parametrize(
    ("state", "reached"), [("requested", 1), ("sent", 2), ("confirmed", 3), ("effective", 4)]
)
def test_revocation_shows_how_far_it_is(state: str, reached: int) -> None:
    page = printed("{% segments thing %}", thing={"state": state})
    assert page.count('class="on"') == reached
    assert f'aria-label="{state}: step {reached} of 4' in page


def test_time_is_printed_in_utc_for_scripts_and_people() -> None:
    assert printed("{% moment at 'minute' %}", at=NOW) == (
        '<time datetime="2026-11-24T15:48:10.000000Z" title="24 Nov 2026 15:48:10 UTC">'
        "24 Nov 2026 15:48 UTC</time>"
    )
