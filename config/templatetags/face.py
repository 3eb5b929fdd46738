"""The tags that templates draw with: icons, badges, times, bars.

Owns the markup of the smallest pieces; words and looks come from config.badges and
config.moments. Everything given is escaped: most of it is text from logs and prompts, which
attackers write. Must not know any model.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from config import badges, moments
from evidence.words import counted

register = template.Library()

NOTHING = mark_safe("")
STEPS = ("requested", "sent", "confirmed", "effective")
REACHED = {"requested": 1, "sending": 1, "sent": 2, "confirmed": 3, "effective": 4, "failed": 1}
TEXT_BOUND = 2_000


# Controls, and the characters that turn the direction of text: with them a name in a log reads as
# another one. A line break and a tab stay.
UNSEEN = dict.fromkeys(
    [
        *(code for code in range(0x20) if chr(code) not in "\n\t"),
        *range(0x7F, 0xA0),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
    ],
    "\N{REPLACEMENT CHARACTER}",
)


def plain(text: str) -> str:
    """Text in which every character can be seen for what it is."""
    # Nearly every text: what can be printed is none of them, and that is told at once.
    return text if text.isprintable() else text.translate(UNSEEN)


def part(thing: object, name: str, otherwise: Any = "") -> Any:
    """A value of a dict or of an object, whichever a view gave."""
    found = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    return otherwise if found is None else found


@register.simple_tag
@lru_cache(maxsize=1024)
def icon(name: str, label: str = "") -> SafeString:
    """A symbol of the sprite; with a label it speaks, without one it is decoration.

    Remembered: a page draws two hundred of them, and each asks for the sprite's hashed name.
    """
    if not name:
        return NOTHING
    place = f"{static('icons/sprite.svg')}#tabler-{name}"
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><use href="{}"></use></svg>', label, place
        )
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}"></use></svg>', place
    )


@lru_cache(maxsize=8)
def bars(count: int) -> SafeString:
    """Three bars, `count` of them filled: the strength of a link without colour."""
    return format_html(
        '<svg class="cs-bars" viewBox="0 0 11 10" aria-hidden="true" focusable="false">{}</svg>',
        format_html_join(
            "",
            '<rect x="{}" y="{}" width="3" height="{}" class="{}"></rect>',
            (
                (4 * place, 7 - 3 * place, 3 + 3 * place, "on" if place < count else "off")
                for place in range(3)
            ),
        ),
    )


@register.simple_tag
def badge(thing: Any, words: Any = "", url: str = "", title: str = "") -> SafeString:
    """A badge from a kind, or from {"kind", "words", "url", "title"}."""
    if not thing:
        return NOTHING
    if not isinstance(thing, str):
        words = words or part(thing, "words")
        url = url or str(part(thing, "url"))
        title = title or str(part(thing, "title"))
        thing = str(part(thing, "kind", "neutral"))
    return _badge(thing, str(words)[:TEXT_BOUND], url, title)


@lru_cache(maxsize=2048)
def _badge(kind: str, words: str, url: str, title: str) -> SafeString:
    look = badges.look(kind, plain(words))
    picture = bars(look.bars) if look.bars else icon(look.icon)
    inner = format_html("{}<span>{}</span>", picture, look.words)
    named = format_html(' title="{}"', title) if title else NOTHING
    if url:
        return format_html(
            '<a class="cs-badge cs-{}" href="{}"{}>{}</a>', look.tone, url, named, inner
        )
    return format_html('<span class="cs-badge cs-{}"{}>{}</span>', look.tone, named, inner)


@register.simple_tag
def moment(at: Any, style: str = "minute", words: str = "") -> SafeString:
    """A `<time>` in UTC; the script adds the reader's own zone to what hovering shows."""
    if not isinstance(at, datetime):
        return format_html('<span class="cs-muted">{}</span>', "not known")
    return _time(at.astimezone(UTC), style, words)


@lru_cache(maxsize=4096)
def _time(utc: datetime, style: str, words: str) -> SafeString:
    """Remembered: the rows of a table share their days, and a page its moments."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        moments.moment(utc, "full"),
        words or moments.moment(utc, style),
    )


@register.simple_tag
def due(at: Any, now: Any, large: bool = False) -> SafeString:
    """A deadline that counts: the server writes the words, the script goes on each second."""
    if not isinstance(at, datetime) or not isinstance(now, datetime):
        return format_html('<span class="cs-muted">{}</span>', "no deadline")
    words, how = moments.due(at, now)
    return format_html(
        '<time class="cs-due cs-due-{}" datetime="{}" title="{}" data-due="{}">{}</time>',
        how,
        at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        moments.moment(at, "full"),
        "clock" if large else "words",
        moments.clock(at, now) if large else words,
    )


@register.simple_tag
def since(at: Any, now: Any) -> SafeString:
    """How long ago: "2 min 4 s ago"."""
    if not isinstance(at, datetime) or not isinstance(now, datetime):
        return format_html('<span class="cs-muted">{}</span>', "never")
    return moment(at, words=f"{moments.span(now - at)} ago")


@register.simple_tag
def segments(thing: Any) -> SafeString:
    """Requested → sent → confirmed → effective as four segments, with the word."""
    state = thing if isinstance(thing, str) else str(part(thing, "state"))
    reached = REACHED.get(state, 0)
    tone = "proved" if reached == len(STEPS) else "failed" if state == "failed" else "going"
    return format_html(
        '<span class="cs-segments cs-seg-{}" role="img" aria-label="{}">{}</span>',
        tone,
        f"{state}: step {reached} of 4 ({', '.join(STEPS)})",
        format_html_join(
            "",
            '<span class="{}" title="{}"></span>',
            (("on" if place < reached else "off", step) for place, step in enumerate(STEPS)),
        ),
    )


@register.simple_tag
def share(value: Any, label: str, tone: str = "") -> SafeString:
    """A bar of 0 to 100; its number is read out by `label`."""
    if value is None or value == "":
        return NOTHING
    return _bar(max(0, min(100, int(float(value)))), label, tone or "neutral")


# A page has the same few again and again.
@lru_cache(maxsize=1_024)
def _bar(number: int, label: str, tone: str) -> SafeString:
    return format_html(
        '<progress class="cs-progress cs-bar-{}" max="100" value="{}" aria-label="{}">'
        "{} %</progress>",
        tone,
        number,
        f"{label}: {number} %",
        number,
    )


@register.simple_tag
def spark(points: Sequence[float | None], goal: Any = None, label: str = "") -> SafeString:
    """A sparkline: a line, never bars cut at a base that is not zero. The goal is dotted.

    None is a point that is not known: the line is broken there, never drawn through.
    """
    known = [float(point) for point in points if point is not None]
    if len(known) < 2:
        return NOTHING
    width, height = 84.0, 28.0
    marks = [*known, *([float(goal)] if goal is not None else [])]
    low, reach = min(marks), (max(marks) - min(marks)) or 1.0

    def y(value: float) -> float:
        return round(height - 4 - (value - low) / reach * (height - 8), 1)

    step = (width - 8) / (len(points) - 1)
    stretches: list[list[str]] = [[]]
    for place, point in enumerate(points):
        if point is not None:
            stretches[-1].append(f"{round(4 + step * place, 1)},{y(float(point))}")
        elif stretches[-1]:
            stretches.append([])
    lines = format_html_join(
        "",
        '<polyline points="{}"></polyline>',
        # A point alone is a line of no length, whose round ends are seen.
        ((" ".join(one if len(one) > 1 else one * 2),) for one in stretches if one),
    )
    dots = (
        format_html(
            '<line class="goal" x1="0" x2="{}" y1="{}" y2="{}"></line>',
            width,
            *[y(float(goal))] * 2,
        )
        if goal is not None
        else NOTHING
    )
    last = max(place for place, point in enumerate(points) if point is not None)
    return format_html(
        '<svg class="cs-spark" viewBox="0 0 84 28" role="img" aria-label="{}">{}'
        '{}<circle cx="{}" cy="{}" r="2.5"></circle></svg>',
        label or "trend",
        dots,
        lines,
        round(4 + step * last, 1),
        y(known[-1]),
    )


@register.simple_tag
def either(*choices: Any, cut: int = TEXT_BOUND) -> str:
    """The first that says something; what is missing counts as nothing."""
    return shortened(next((one for one in choices if one not in (None, "")), ""), cut)


@register.filter(name="cut")
def shortened(value: Any, length: int = TEXT_BOUND) -> str:
    """At most so many characters, the last an ellipsis. Nothing stays nothing, never "None"."""
    words = "" if value is None else plain(str(value))
    return words if len(words) <= length else f"{words[: max(0, length - 1)].rstrip()}…"


@register.filter
def initials(name: Any) -> str:
    """The two letters of an avatar."""
    words = [word for word in str(name or "").replace(".", " ").split() if word[0].isalnum()]
    if not words:
        return ""
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


@register.filter
def number(value: Any) -> str:
    """184302 → "184,302"; nothing is an en dash, never 0."""
    if value is None or value == "":
        return "–"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


@register.filter(name="counted")
def number_of(value: Any, things: str) -> str:
    """`3|counted:"event"` → "3 events"; `1|counted:"entry,entries"` → "1 entry"."""
    thing, _, many = things.partition(",")
    if not isinstance(value, int):
        return f"{number(value)} {many or f'{thing}s'}"
    return counted(value, thing, many)


@register.filter
def bytesize(value: Any) -> str:
    return moments.size(value) if isinstance(value, int) else "–"


@register.filter
def micros(value: Any) -> str:
    return moments.micros(value) if isinstance(value, int) else "–"


@register.filter
def difference(value: Any) -> str:
    """A signed difference of two times: "+187 ms"."""
    return moments.micros(value, signed=True) if isinstance(value, int) else "–"


@register.filter
def weekday(value: Any) -> str:
    """ "Tuesday, 24 November" """
    return f"{value:%A}, {value.day} {value:%B}" if isinstance(value, date) else ""


@register.filter
def spoken(value: Any) -> str:
    """A stored word as people say it: "access_review" → "access review"."""
    return badges.look(str(value)).words if value else ""


@register.filter
def heading(value: Any) -> str:
    """A stored word at the head of a line: "access_review" → "Access review"."""
    words = spoken(value)
    return words[:1].upper() + words[1:]


@register.filter
def digest(value: Any) -> str:
    """Bytes as hex; text as it is."""
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value or "")


@register.filter
def indent(depth: Any) -> str:
    """The class of a tree's depth; past eight it stays (no inline style in a page)."""
    return f"cs-depth-{max(0, min(8, int(depth or 0)))}"
