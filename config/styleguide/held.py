"""Sample context of the release list."""

from typing import Any

from config.styleguide.samples import at


def held() -> dict[str, Any]:
    """One case whose steps may be released here, and one where somebody else has to."""

    def acts(these: str) -> list[dict[str, Any]]:
        return [
            {"words": f"Release{these}", "url": "/cases/CS-4/held/release/", "icon": "player-play", "danger": True, "ask": "Why may it happen now?", "hidden": []},
            {"words": f"Drop{these}", "url": "/cases/CS-4/held/drop/", "icon": "x", "ask": "Why shall it not happen?", "hidden": []},
        ]  # fmt: skip

    def rung(words: str, why: str, acts: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "words": words,
            "at": at("08:00", 23),
            "ahead": False,
            "held_at": at("14:00"),
            "why": why,
            "acts": acts,
        }

    away = "It came due while Countersign was not at work, from 23 Nov 2026 02:00 UTC to 24 Nov 2026 14:00 UTC."
    return {
        "cases": [
            {
                "key": "CS-4", "url": "/cases/CS-4/", "title": "Access review: svc-report", "why_not": "",
                "identity": {"name": "svc-report", "url": "/identities/NHI-0417/"}, "acts": acts(" all"),
                "rungs": [
                    rung("svc-report is suspended", away, acts("")),
                    rung("what not every seat answered is revoked", "A step before it is held (svc-report is suspended).", acts("")),
                ],
            },
            {
                "key": "CS-5", "url": "/cases/CS-5/", "title": "Access review: gha-release-signer", "acts": [],
                "why_not": "You asked for this: the requester does not say what silence does.",
                "identity": None, "rungs": [rung("what was not seen in evidence is narrowed away", away, [])],
            },
        ]
    }  # fmt: skip
