"""The rows of the table of permissions: of a case, of policies, of identities."""

from collections.abc import Callable, Iterator
from typing import Any

from identities import permissions as identity_permissions
from identities.acting import COUNTERSIGN
from identities.models import Binding, Finding, Service
from identities.permissions import AUDITOR, INACTIVE
from reviews import permissions, policy_permissions

from .conftest import HOUR, NOW
from .permission_world import (
    TWO_SEATS,
    Ask,
    Row,
    World,
    barred,
    cancels,
    decides,
    person,
    released,
    reviews,
    settled,
    signs_elsewhere,
    sits,
    tie_broken,
    undone,
)


def of_reviews() -> Iterator[Row]:
    p = permissions

    def see(name: str) -> Ask:
        return lambda w: p.why_not_see(w.user(name), w.case(), now=NOW)

    only = "Break-glass is signed on its own page: nothing else opens it."
    yield Row("why_not_decide", decides(case={"door": "break_glass"}), only)
    yield Row("why_not_see", see("rita"), None)
    yield Row("why_not_see", see("gus"), "There is no such case.")
    for name, said in (
        ("rita", None),
        ("ines", None),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        (
            "gus",
            "Only a reviewer, a responder or who answers for svc-report may open its review.",
        ),
    ):
        yield Row(
            "why_not_open",
            lambda w, name=name: p.why_not_open(w.user(name), w.identity(), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
        yield Row(
            "why_not_start",
            lambda w, name=name: p.why_not_start(w.user(name), w.case(), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    yield Row(
        "why_not_sit",
        lambda w: p.why_not_sit(
            reviews(w, "leila"), w.case(), w.seat(party=None, backup=None), now=NOW
        ),
        "You break the ties of this case: another reviewer signs in its stages.",
    )
    request = p.why_not_request
    yield Row("why_not_request", lambda w: request(w.user("gus"), w.identity()), None)
    yield Row(
        "why_not_request",
        lambda w: request(w.user("nobody"), w.identity()),
        "This login is nobody's: a request needs a person behind it.",
    )
    yield Row(
        "why_not_request",
        lambda w: request(w.user("gus"), w.identity(state="retired")),
        "svc-report is retired: nothing can be granted to it.",
    )
    yield Row("why_not_person", lambda w: barred(w, "gus"), None)
    yield Row(
        "why_not_person",
        lambda w: barred(w, "gus", requester=w.user("gus").person),
        "You asked for this: the requester never signs.",
    )
    yield Row(
        "why_not_person",
        lambda w: barred(w, "gus", subjects=frozenset({person("gus", w)})),
        "You are the subject of this case: the subject never signs.",
    )
    yield Row("why_not_person", signs_elsewhere, TWO_SEATS)
    yield Row("why_not_sit", sits("ines"), None)
    yield Row("why_not_sit", sits("rita", party=None, backup=None), None)
    yield Row("why_not_sit", sits("nobody"), permissions.NOBODY)
    yield Row(
        "why_not_sit",
        lambda w: p.why_not_sit(w.left("ines"), w.case(), w.seat(), now=NOW),
        "You have left: this login signs nothing.",
    )
    yield Row(
        "why_not_sit",
        lambda w: p.why_not_sit(w.user("ines"), w.case(sealed=True), w.seat(), now=NOW),
        "There is no such case.",
    )
    yield Row(
        "why_not_sit",
        lambda w: sits("ines", given_up=[person("ines", w)])(w),
        "You handed this seat over: it belongs to Ines now.",
    )
    yield Row("why_not_sit", sits("rita"), "The seat of the identity owner belongs to Ines.")
    yield Row(
        "why_not_sit",
        sits("marek"),
        "You are the backup: Ines decides until the deadline.",
    )
    yield Row(
        "why_not_sit",
        lambda w: sits("ines", person=w.user("marek").person)(w),
        "Marek signs in this seat.",
    )
    yield Row(
        "why_not_sit", sits("marek", stage="Again"), "Again has not begun: Owners is asked first."
    )
    yield Row(
        "why_not_sit",
        sits("ines", turn="past"),
        "Owners is over: what was answered in it stands.",
    )
    yield Row("why_not_decide", decides(), None)
    yield Row(
        "why_not_decide",
        decides("leila", seat={"kind": "tie_breaker"}),
        "The tie-breaker answers conflicts only.",
    )
    yield Row(
        "why_not_decide",
        decides(case={"state": "closed"}),
        "{key} is closed: nothing can be answered in it now.",
    )
    yield Row(
        "why_not_decide",
        lambda w: p.why_not_decide(w.user("ines"), w.case(), w.seat(), w.other, now=NOW),
        "This item belongs to another case.",
    )
    yield Row(
        "why_not_decide",
        decides(item={"carried_out_at": NOW}),
        "It has gone out: what is revoked cannot be kept, a new one must be issued.",
    )
    yield Row(
        "why_not_decide",
        decides(
            "marek",
            seat={"stage": "Again", "turn": "now"},
            item={"outcome": "keep", "stage_outcomes": {"0": "keep"}},
        ),
        "An earlier stage has decided on this item: it does not come to this one.",
    )
    for name, said in (("ines", None), ("samuel", None), ("otto", AUDITOR)):
        yield Row(
            "why_not_decide_any",
            lambda w, name=name: p.why_not_decide_any(w.user(name), w.case(), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    yield Row("why_not_decide", tie_broken, "The tie-breaker has decided on this item.")
    yield Row("why_not_settle", lambda w: settled(w, late=True), None)
    yield Row(
        "why_not_settle",
        lambda w: settled(w, late=True, kind="identity_owner"),
        "Only the tie-breaker settles a conflict.",
    )
    yield Row(
        "why_not_settle",
        lambda w: settled(w, late=True, conflict=False),
        "There is no conflict to settle on this item.",
    )
    yield Row(
        "why_not_settle",
        lambda w: settled(w, late=False),
        "The seats may change their answers until 2026-11-26 12:00 UTC; then the tie-breaker"
        " decides.",
    )
    yield Row("why_not_undo", undone, None)
    yield Row(
        "why_not_undo",
        lambda w: undone(w, signed=False),
        "You have no answer on this item to take back.",
    )
    yield Row(
        "why_not_undo",
        lambda w: undone(w, now=NOW + HOUR),
        "Its 8 seconds to be taken back are over: answer again while the case is open.",
    )
    yield Row(
        "why_not_undo",
        lambda w: undone(w, state="decided", now=NOW + HOUR),
        "{key} is decided: it has gone out.",
    )
    yield Row(
        "why_not_undo",
        lambda w: undone(w, state="carrying_out"),
        "{key} is carrying out: it has gone out.",
    )
    yield Row("why_not_pin", lambda w: p.why_not_pin(w.user("gus"), w.case()), None)
    yield Row(
        "why_not_pin",
        lambda w: p.why_not_pin(w.user("gus"), w.case(state="closed")),
        "{key} is closed: nothing is added to it.",
    )
    yield Row("why_not_cancel", cancels("root"), None)
    yield Row("why_not_cancel", cancels("gus", door="access_request", requester="gus"), None)
    yield Row(
        "why_not_cancel",
        cancels("root", door="access_request", requester="gus"),
        "Only the requester may take a request back; the seats deny it.",
    )
    yield Row(
        "why_not_cancel",
        cancels("ines"),
        "Only who opened this case or an administrator may cancel it.",
    )
    for asked, said in (
        (released("rita"), None),
        (released("nobody"), "This login is nobody's: releasing needs a person behind it."),
        (
            released("gus"),
            "Only a reviewer, a responder or an administrator may release what is held.",
        ),
        (
            released("rita", requester="rita"),
            "You asked for this: the requester does not say what silence does.",
        ),
        (
            released("rita", subject="rita"),
            "You are the subject of this case: the subject does not say what silence does.",
        ),
    ):
        yield Row("why_not_release", asked, said)
    for name, said in (
        ("ines", None),
        ("rita", None),
        ("gus", "Only a reviewer or who sits in this case may close it."),
    ):
        yield Row(
            "why_not_close",
            lambda w, name=name: p.why_not_close(w.user(name), w.case(), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )


def of_policies() -> Iterator[Row]:
    p = policy_permissions

    def propose(name: str) -> Ask:
        return lambda w: p.why_not_propose_policy(w.user(name), now=NOW)

    for name, said in (
        ("rita", None),
        ("root", None),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("gus", "Only a reviewer or an administrator may change a review policy."),
        ("nobody", permissions.NOBODY),
    ):
        yield Row("why_not_propose_policy", propose(name), said)
    yield Row(
        "why_not_propose_policy",
        lambda w: p.why_not_propose_policy(w.left("rita"), now=NOW),
        "You have left: this login signs nothing.",
    )
    yield Row(
        "why_not_sign_policy",
        lambda w: p.why_not_sign_policy(w.user("root"), w.proposed(), now=NOW),
        None,
    )
    yield Row(
        "why_not_sign_policy",
        lambda w: p.why_not_sign_policy(w.user("rita"), w.proposed(), now=NOW),
        "You proposed it: a second person signs.",
    )
    yield Row(
        "why_not_refuse_policy",
        lambda w: p.why_not_refuse_policy(w.user("rita"), w.proposed(), now=NOW),
        None,
    )
    yield Row(
        "why_not_refuse_policy",
        lambda w: p.why_not_refuse_policy(
            w.user("rita"), w.proposed(state="refused", settled_by_name="Root"), now=NOW
        ),
        "asked, version 1 is refused already, by Root.",
    )


def of_identities() -> Iterator[Row]:
    p: Any = identity_permissions
    unclaimed = "Unclaimed actors are nobody's yet: reviewers claim them."
    for name, said in (("rita", None), ("otto", None), ("ines", unclaimed), ("off", unclaimed)):
        yield Row(
            "why_not_see_unclaimed",
            lambda w, name=name: p.why_not_see_unclaimed(w.user(name)),  # type: ignore[misc]  # a default binds it
            said,
        )
    things: dict[str, Callable[[World], Any]] = {
        "confirm_binding": lambda w: Binding.objects.filter(identity=w.identity()).first(),
        "dispose_finding": lambda w: Finding(identity=w.identity(), rule="no_run"),
    }
    table = {
        "confirm_binding": (
            "rita",
            "gus",
            "Only a reviewer or who answers for svc-report may settle its bindings.",
        ),
        "claim": (
            "ines",
            "gus",
            "Only a reviewer or who answers for svc-report may bind an actor to it.",
        ),
        "activate": (
            "ines",
            "gus",
            "Only a reviewer or who answers for svc-report may make it active.",
        ),
        "attest": (
            "ines",
            "rita",
            "Only its owner, sponsor, backup or AI-system owner may attest svc-report.",
        ),
        "describe": (
            "ines",
            "gus",
            "Only a reviewer or who answers for svc-report may state what its vendor says.",
        ),
        "dispose_finding": (
            "rex",
            "gus",
            "Only a reviewer, a responder or who answers for the identity may settle a finding.",
        ),
        "hold": (
            "ines",
            "rita",
            "Only a responder or who answers for svc-report may hold it.",
        ),
        "register": ("root", "rita", "Only an administrator may register files."),
        "administer": ("root", "rita", "Only an administrator may do this."),
    }
    for verb, (may, may_not, said) in table.items():
        ask = getattr(p, f"why_not_{verb}")
        thing = things.get(verb, lambda w: w.identity())
        alone = verb in ("register", "administer")
        for name, expected in ((may, None), (may_not, said), ("otto", AUDITOR), ("off", INACTIVE)):
            yield Row(
                f"why_not_{verb}",
                lambda w, ask=ask, name=name, thing=thing, alone=alone: (  # type: ignore[misc]  # defaults bind them
                    ask(w.user(name), now=NOW) if alone else ask(w.user(name), thing(w), now=NOW)
                ),
                expected,
            )
    seats = "Resuming svc-report takes both seats: ask to resume it, and they sign."
    for name, said in (("rex", seats), ("ines", seats), ("otto", AUDITOR), ("off", INACTIVE)):
        resumes = lambda w, name=name: p.why_not_resume(w.user(name), w.identity(), now=NOW)  # noqa: E731 - a default binds it
        yield Row("why_not_resume", resumes, said)
    yield Row(
        "why_not_resume", lambda w: p.why_not_resume(COUNTERSIGN, w.identity(), now=NOW), None
    )
    yield Row(
        "why_not_attest",
        lambda w: p.why_not_attest(COUNTERSIGN, w.identity(), now=NOW),
        "An attestation is a person's statement; sign in as who answers for the identity.",
    )
    yield Row(
        "why_not_attest",
        lambda w: p.why_not_attest(w.user("nobody"), w.identity(), now=NOW),
        "This login is nobody's: an attestation needs a person behind it.",
    )

    def retire(w: World, name: str) -> str | None:
        found: str | None = p.why_not_retire(w.user(name), w.identity(), now=NOW)
        return found

    yield Row(
        "why_not_retire",
        lambda w: retire(w, "ines"),
        "svc-report serves an AI system: retiring it takes both seats, open a case.",
    )

    def plain(w: World, name: str) -> str | None:
        Service.objects.update(ai_system=False)
        return retire(w, name)

    yield Row("why_not_retire", lambda w: plain(w, "ines"), None)
    yield Row(
        "why_not_retire",
        lambda w: plain(w, "gus"),
        "Only who answers for svc-report may retire it.",
    )
