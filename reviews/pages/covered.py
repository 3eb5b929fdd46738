"""How much of what an identity did reaches a run: the part of its page that is asked for alone.

Owns the context of templates/coverage.html. Two bounded queries, whatever the identity did
(identities/coverage.py); the line page itself asks nothing of it.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from evidence.queries import events
from evidence.words import counted
from identities import coverage
from identities.models import Identity

WAYS = (
    ("exact", "exact", "a request id leads to one run"),
    ("key", "key", "a credential or an issued key leads to one run"),
    (
        "untold",
        "not_known",
        (
            "a key or an inference leads to several runs, or to more calls than spans: whose it is"
            " cannot be told"
        ),
    ),
    ("inferred", "inferred", "tool, time and caller fit one run; nothing states it"),
    (
        "claimed",
        "claimed",
        "a trace states the request id, and its agent is not linked to the account that called",
    ),
    ("outside", "waits", "a span is behind it, in a trace that shows no run"),
    ("none", "no_evidence", "nothing leads to a run; that alone says nothing"),
)


def context(identity: Identity, *, until: datetime) -> dict[str, Any]:
    """Everything templates/coverage.html shows (see its head for the names)."""
    found = coverage.of_identity(identity.number, until=until)
    events_url = f"/events/?{urlencode({'identity': identity.key})}"
    return {
        "section": "identities",
        "title": f"Coverage of {identity.name}",
        "identity": {
            "key": identity.key,
            "name": identity.name,
            "url": f"/identities/{identity.key}/",
        },
        "events_url": events_url,
        "sentence": sentence(found),
        "switch": found.switch,
        "bounded": found.calls + found.spans >= coverage.MOST,
        "most": coverage.MOST,
        "calls": found.calls,
        "ways": [
            {
                "kind": kind,
                "count": getattr(found, way),
                "words": words,
                "url": f"{events_url}&{urlencode({'link': way})}"
                if way in events.LINKS
                else events_url,
            }
            for way, kind, words in WAYS
            if getattr(found, way)
        ],
        "shared": [row._asdict() for row in coverage.shared(identity.number, until=until)],
    }


def sentence(found: coverage.Coverage) -> str:
    """What a team reads: how many per cent reach a run, and how."""
    if found.share is None:
        return "No API event of it is known, so nothing has to reach a run."
    more = [
        f"{many:,} {words}"
        for many, words in (
            (found.key, "more by a shared credential or issued key"),
            (found.inferred, "by inference only"),
            (found.claimed, "claimed by traces of agents that are not linked to it"),
        )
        if many
    ]
    also = f", {' and '.join(more)}" if more else ""
    calls = counted(found.calls, "newest API event")
    return f"{found.share} % of its {calls} reach a run by an exact key{also}."
