"""What a pack shows to people who read it (pack.html, pack.pdf): the beginning of each list.

Owns how much that is; the files beside it hold everything. Collects while the files are written, so
that nothing is read twice.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from reviews.packs import mapping
from reviews.packs.subjects import Subject

MOST_CASES = 200
MOST = 500
# Not over, and not as it is meant to be.
LIVES = frozenset({"requested", "sending", "sent", "confirmed", "failed", "ending"})


class Reading:
    """What is shown of a pack, and how much of each kind there is in all of it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = {"kind": subject.kind, "key": subject.key, "title": subject.title}
        self.facts: list[list[str]] = []
        self.cases: list[dict[str, Any]] = []
        self.lists: dict[str, list[Any]] = {}
        self.totals: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.open: dict[str, list[str]] = {}
        self._undecided = self._unanswered = self._not_effective = 0

    def whole(self, document: dict[str, Any]) -> None:
        """What is said of an identity or a campaign."""
        self.counts["inventory"] = 1
        self.counts["findings"] = len(document.get("findings", ()))
        names: tuple[str, ...] = (
            "state",
            "kind",
            "service",
            "owner",
            "sponsor",
            "purpose",
            "expires_at",
            "policy",
        )
        names += ("reason", "launched_at", "launched_by", "deadline_at", "closed_at", "closed_by")
        self.facts = [
            [name.replace("_", " ").capitalize(), str(document[name])[:400]]
            for name in names
            if document.get(name)
        ]
        self.lists["findings"] = document.get("findings", [])[:MOST]

    def case(self, document: dict[str, Any]) -> None:
        """One case of it."""
        self.totals["cases"] = self.totals.get("cases", 0) + 1
        if len(self.cases) < MOST_CASES:
            self.cases.append(document)
        answers = sum(len(item["answers"]) for item in document["items"])
        self._count("decisions", answers)
        if self.subject["kind"] != "identity":
            self._count("findings", len(document["findings"]))
        self._count("break_glass", int("break_glass" in document))
        self._count("incident", int("incident" in document))
        self._undecided += sum(not item["outcome"] for item in document["items"])
        room = document.get("incident")
        if room is not None:
            open_ = [one for one in room["questions"] if not one["dropped_at"]]
            self._unanswered += sum(
                all(said["changed_at"] for said in one["conclusions"]) for one in open_
            )

    def capsule(self, document: dict[str, Any]) -> None:
        """One capsule of it."""
        body = document["body"]
        self._count("capsules", 1)
        said = {
            "key": document["key"],
            "title": str(body["query"].get("title", ""))[:200],
            "made_at": body["made_at"],
            "events": len(body["events"]),
            "digest": document["digest"],
            "missing": " ".join(body["missing"])[:400],
            "silent": [one["source"] for one in body["completeness"] if not one.get("complete", 1)],
        }
        list(self.shown("capsules", [said]))

    def _count(self, kind: str, many: int) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + many

    def shown(self, name: str, rows: Iterable[Any]) -> Iterator[Any]:
        """The same rows, of which the first are shown."""
        kept = self.lists.setdefault(name, [])
        for row in rows:
            if len(kept) < MOST:
                kept.append(row)
            self.totals[name] = self.totals.get(name, 0) + 1
            if name in ("revocations", "grants"):
                self._count("revocations", 1)
                self._not_effective += row["state"] in LIVES
            yield row

    def ends(self, *, signed: bool, rows: int, proved: int) -> None:
        """All of it is written: what is open is known."""
        self._count("ledger", rows)
        undecided, unanswered, living = self._undecided, self._unanswered, self._not_effective
        if undecided:
            self.open["decisions"] = [f"{undecided} of its items have no outcome."]
        if unanswered:
            self.open["incident"] = [f"{unanswered} of its questions have no conclusion."]
        if living:
            self.open["revocations"] = [f"{living} changes are not shown to be effective."]
        if not signed:
            self.open["ledger"] = ["Nothing in this pack is signed."]
        elif proved < rows:
            self.open["ledger"] = [f"{rows - proved} ledger rows are newer than the signed head."]

    def as_data(self, **taken: Any) -> dict[str, Any]:
        """For templates/pack.html and pack.typ. `taken`: at, by, where, signed (a row or None)."""
        return {
            "subject": self.subject,
            "facts": self.facts,
            "cases": self.cases,
            **{name: self.lists.get(name, []) for name in LISTS},
            "more": {
                name: many - len(self.cases if name == "cases" else self.lists[name])
                for name, many in self.totals.items()
                if many > len(self.cases if name == "cases" else self.lists[name])
            },
            "mapping": mapping.of(self.counts),
            "open": [one for those in self.open.values() for one in those],
            **taken,
        }


LISTS = ("findings", "revocations", "grants", "ledger", "custody", "capsules")
