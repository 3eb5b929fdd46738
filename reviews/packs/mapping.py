"""Which controls of which frameworks a pack's evidence supports: one table.

Evidence *supports* somebody's judgement about a control. That a control is met is an auditor's word
and never ours, so nothing here says it, and what a pack cannot show is said beside what it can.
Titles are short for reading; the frameworks' own texts count. Pure.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

SUPPORTS = (
    "This evidence supports the controls named here. Whether a control is met is for whoever"
    " assesses it: nothing in this pack says so."
)
FRAMEWORKS = {
    "asi": "OWASP Top 10 for Agentic Applications 2026",
    "nhi": "OWASP Non-Human Identities Top 10 2025",
    "maestro": "CSA MAESTRO",
    "ai_rmf": "NIST AI RMF 1.0",
    "sp800_53": "NIST SP 800-53 r5",
    "iso42001": "ISO/IEC 42001:2023",
    "soc2": "SOC 2 (Trust Services Criteria)",
}
# What of each framework no pack shows, whatever is in it.
NOT_COVERED = {
    "asi": "ASI01, ASI04, ASI05, ASI06 and ASI07: what goes on inside models, their supply chain,"
    " their memory and between agents is not looked at.",
    "nhi": "NHI4, NHI6 and NHI8: how identities sign in, how clouds are configured and how"
    " environments are kept apart is not looked at.",
    "maestro": "L1, L2 and L4: models, data and the infrastructure below are not looked at."
    " T1 to T15 are OWASP's threats; numbers above are a playbook's and no official ids.",
    "ai_rmf": "MAP and MEASURE apart from what is named: risks of an AI system's own answers are"
    " not looked at.",
    "sp800_53": "Every control that is not named here.",
    "iso42001": "The management system itself: policy, impact assessment, data, suppliers.",
    "soc2": "No criterion is mapped: its ids have not been checked against the criteria's own text.",
}


class Supports(NamedTuple):
    """One kind of evidence: the files it is in, what it shows, and by framework the controls."""

    kind: str
    title: str
    files: str
    shows: str
    controls: Mapping[str, tuple[str, ...]]


TABLE = (
    Supports(
        "decisions",
        "Decisions",
        "case.json, cases/",
        "Who was asked about which access, what each answered, with which reason, and what followed.",
        {
            "asi": ("ASI03", "ASI09"),
            "nhi": ("NHI1:2025", "NHI5", "NHI10"),
            "maestro": ("L6", "T3", "T10"),
            "ai_rmf": ("GOVERN 2.1", "GOVERN 3.2", "MAP 3.5"),
            "sp800_53": ("AC-2", "AC-5", "AC-6", "AC-6(7)"),
            "iso42001": ("5.3", "A.3.2", "A.9.2"),
        },
    ),
    Supports(
        "capsules",
        "Frozen evidence",
        "capsules/",
        "The events that each of them was shown, how complete their sources were, and what was not"
        " known.",
        {
            "asi": ("ASI02", "ASI03"),
            "nhi": ("NHI5", "NHI9"),
            "maestro": ("L5", "T2", "T8", "T44"),
            "ai_rmf": ("MEASURE 2.4", "MEASURE 2.8"),
            "sp800_53": ("AU-3", "AU-6", "AU-6(3)", "AU-12"),
            "iso42001": ("9.1", "A.6.2.6", "A.6.2.8"),
        },
    ),
    Supports(
        "revocations",
        "Revocations and grants",
        "revocations.json, grants.json",
        "What was taken away or given for a time at its target, every try, and what shows that it"
        " took effect.",
        {
            "asi": ("ASI03", "ASI08", "ASI10"),
            "nhi": ("NHI1:2025", "NHI2", "NHI7"),
            "maestro": ("L6", "T3", "T13"),
            "ai_rmf": ("GOVERN 1.7", "MANAGE 1.3", "MANAGE 2.4"),
            "sp800_53": ("AC-2(3)", "AC-2(13)", "AC-3(8)", "AC-12", "PS-4"),
            "iso42001": ("A.9.4",),
        },
    ),
    Supports(
        "findings",
        "Findings",
        "case.json, cases/, identity.json",
        "Behaviour outside authority, by rule, with how strongly each is proved.",
        {
            "asi": ("ASI02", "ASI03", "ASI10"),
            "nhi": ("NHI5", "NHI9", "NHI10"),
            "maestro": ("L5", "T2", "T3", "T9", "T13"),
            "ai_rmf": ("MEASURE 2.4", "MEASURE 2.7", "MANAGE 4.1"),
            "sp800_53": ("AC-2(12)", "CA-7", "SI-4", "RA-3"),
            "iso42001": ("A.6.2.6",),
        },
    ),
    Supports(
        "break_glass",
        "Break-glass",
        "case.json, cases/",
        "Who opened what in an emergency, who agreed, what was used, and who looked back at it.",
        {
            "asi": ("ASI03",),
            "nhi": ("NHI5", "NHI10"),
            "maestro": ("T3",),
            "ai_rmf": ("GOVERN 3.2", "MANAGE 2.4"),
            "sp800_53": ("AC-6(5)", "AC-6(9)", "AU-6(1)"),
            "iso42001": ("A.9.2",),
        },
    ),
    Supports(
        "incident",
        "Incident",
        "case.json, cases/",
        "What was asked and concluded, on which events, what was done, and who closed it.",
        {
            "asi": ("ASI08", "ASI10"),
            "nhi": ("NHI1:2025", "NHI2"),
            "maestro": ("L6", "T8", "T13"),
            "ai_rmf": ("MANAGE 1.3", "MANAGE 2.4", "MANAGE 4.3"),
            "sp800_53": ("IR-4", "IR-5", "IR-6"),
            "iso42001": ("A.8.4",),
        },
    ),
    Supports(
        "inventory",
        "Inventory",
        "identity.json, campaign.json",
        "Which identities there are, who owns them, for what and until when.",
        {
            "asi": ("ASI03",),
            "nhi": ("NHI1:2025", "NHI7"),
            "maestro": ("L7", "T22"),
            "ai_rmf": ("GOVERN 1.6", "GOVERN 2.1"),
            "sp800_53": ("AC-2", "CM-8", "IA-4", "IA-5"),
            "iso42001": ("A.4", "A.10.2"),
        },
    ),
    Supports(
        "ledger",
        "Ledger and custody",
        "ledger.json, ledger/, custody.json, head.jws, receipts/",
        "That the record was not changed afterwards, and who looked at it and took it out.",
        {
            "maestro": ("L5", "T8", "T23"),
            "ai_rmf": ("MEASURE 2.8",),
            "sp800_53": ("AU-2", "AU-3", "AU-8", "AU-10", "AU-12"),
            "iso42001": ("A.6.2.8",),
        },
    ),
)


def of(counts: Mapping[str, int]) -> dict[str, Any]:
    """The mapping of a pack that holds so many of each kind: what there is none of supports
    nothing."""
    there = [one for one in TABLE if counts.get(one.kind)]
    return {
        "words": SUPPORTS,
        "frameworks": FRAMEWORKS,
        "evidence": [
            {
                "kind": one.kind,
                "title": one.title,
                "files": one.files,
                "many": counts[one.kind],
                "shows": one.shows,
                "supports": {name: list(found) for name, found in one.controls.items()},
            }
            for one in there
        ],
        "not_in_this_pack": [one.title for one in TABLE if not counts.get(one.kind)],
        "not_covered": NOT_COVERED,
    }


def controls(framework: str, counts: Mapping[str, int]) -> dict[str, list[str]]:
    """By control of this framework, the kinds of evidence in the pack that support it."""
    found: dict[str, list[str]] = {}
    for one in TABLE:
        if counts.get(one.kind):
            for control in one.controls.get(framework, ()):
                found.setdefault(control, []).append(one.kind)
    return dict(sorted(found.items()))
