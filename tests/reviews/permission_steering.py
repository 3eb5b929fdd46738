"""The rows of the table of permissions: of what is steered (campaigns, modes, the switch of outgoing
writes, the claim wave), by two people or by those who run it."""

from collections.abc import Callable, Iterator
from typing import Any

from identities.actions import outgoing
from identities.claims import rights
from identities.models import ClaimAnswer, OutgoingSwitch, Party, User
from identities.permissions import AUDITOR, INACTIVE, LEFT, NOBODY
from reviews import mode_permissions
from reviews.campaigns import rows
from reviews.models import Campaign, CampaignStep, ModeRule

from .conftest import HOUR, NOW
from .permission_world import Row, World

SECOND = "You proposed it: a second person signs."
type Asked = Callable[[User, World], str | None]


def everybody(permission: str, ask: Asked, said: str, *may: str) -> Iterator[Row]:
    """Who may at all: those in `may`; nobody who is barred in the whole house."""
    for name in may:
        yield Row(permission, lambda w, name=name: ask(w.user(name), w), None)  # type: ignore[misc]  # a default binds it
    for name, why in (("off", INACTIVE), ("otto", AUDITOR), ("gus", said), ("nobody", NOBODY)):
        yield Row(permission, lambda w, name=name: ask(w.user(name), w), why)  # type: ignore[misc]  # a default binds it
    yield Row(permission, lambda w: ask(w.left(may[0]), w), LEFT)


def of_steering() -> Iterator[Row]:
    yield from of_campaigns()
    yield from of_modes()
    yield from of_the_switch()
    yield from of_claims()


def campaign(state: str = "draft", *, busy: bool = False, asked: bool = True) -> Campaign:
    row = Campaign(number=7, name="Yearly", state=state, asked_at=NOW if asked else None)
    step = CampaignStep(kind="extend", done=1, reviews=3) if busy else None
    row.__dict__["_unfinished"] = step
    return row


def of_campaigns() -> Iterator[Row]:
    p: Any = rows
    for name in ("rita", "otto", "root"):
        yield Row("rows.why_not_see", lambda w, name=name: p.why_not_see(w.user(name)), None)  # type: ignore[misc]  # a default binds it
    yield Row("rows.why_not_see", lambda w: p.why_not_see(w.user("gus")), rows.SEEING)
    only = "Only a reviewer or an administrator may run a campaign."
    table = {
        "launch": (("draft",), "launched"),
        "pause": (("running",), "paused"),
        "resume": (("paused",), "resumed"),
        "extend": (("running", "paused"), "extended"),
        "reiterate": (("running",), "asked again"),
        "close": (("draft", "running", "paused"), "closed"),
    }
    for name, said in (("rita", None), ("off", INACTIVE), ("otto", AUDITOR), ("ines", only)):
        yield Row("rows.why_not_run", lambda w, name=name: p.why_not_run(w.user(name)), said)  # type: ignore[misc]  # a default binds it
    for verb, (able, done) in table.items():
        key, ask = f"rows.why_not_{verb}", getattr(p, f"why_not_{verb}")
        yield Row(key, lambda w, ask=ask: ask(w.user("ines"), campaign()), only)  # type: ignore[misc]  # a default binds it
        for state in ("draft", "running", "paused", "closed"):
            yield Row(
                key,
                lambda w, ask=ask, state=state: ask(w.user("rita"), campaign(state)),  # type: ignore[misc]  # defaults bind them
                None if state in able else f"CMP-7 is {state}: it cannot be {done}.",
            )
        yield Row(
            key,
            lambda w, ask=ask, able=able: ask(w.user("rita"), campaign(able[0], busy=True)),  # type: ignore[misc]  # defaults bind them
            "CMP-7 is being extended, 1 of 3 reviews are done: wait for the rest.",
        )
    yield Row(
        "rows.why_not_reiterate",
        lambda w: p.why_not_reiterate(w.user("rita"), campaign("running", asked=False)),
        "It is still being launched: nobody was asked yet.",
    )


def of_modes() -> Iterator[Row]:
    p = mode_permissions

    def rule(w: World, by: str = "root", **fields: Any) -> ModeRule:
        return ModeRule(number=7, mode="enforce", proposed_person=w.user(by).person, **fields)

    only = "Only a reviewer or an administrator may change what a scope's findings lead to."
    yield from everybody(
        "mode_permissions.why_not_propose_mode",
        lambda user, _: p.why_not_propose_mode(user, now=NOW),
        only,
        "rita",
        "root",
    )
    for verb in ("sign", "refuse"):
        ask = getattr(p, f"why_not_{verb}_mode")
        for by, state, said in (
            ("root", "proposed", None),
            ("rita", "proposed", SECOND if verb == "sign" else None),
            ("root", "in_force", "MODE-7 is in force already, by Countersign."),
        ):
            yield Row(
                f"mode_permissions.why_not_{verb}_mode",
                lambda w, ask=ask, by=by, state=state: ask(  # type: ignore[misc]  # defaults bind them
                    w.user("rita"), rule(w, by, state=state), now=NOW
                ),
                said,
            )
        yield Row(
            f"mode_permissions.why_not_{verb}_mode",
            lambda w, ask=ask: ask(w.user("gus"), rule(w), now=NOW),  # type: ignore[misc]  # a default binds it
            only,
        )
    back = "mode_permissions.why_not_step_back"
    yield from everybody(
        back,
        lambda user, w: p.why_not_step_back(user, rule(w, state="in_force"), "ask", now=NOW),
        "Only a reviewer, a responder or an administrator may take a scope back.",
        "rita",
        "rex",
    )
    for state, to, said in (
        ("ended", "ask", "MODE-7 is ended: only what is in force is taken back."),
        ("in_force", "enforce", "From enforce there is no step back to 'enforce'."),
    ):
        yield Row(
            back,
            lambda w, state=state, to=to: p.why_not_step_back(  # type: ignore[misc]  # defaults bind them
                w.user("rita"), rule(w, state=state), to, now=NOW
            ),
            said,
        )


def of_the_switch() -> Iterator[Row]:
    p = outgoing
    only = "Only a reviewer, a responder or an administrator may stop outgoing writes."
    yield from everybody(
        "outgoing.why_not_propose_switch",
        lambda user, _: p.why_not_propose_switch(user, now=NOW),
        only,
        "rita",
        "rex",
        "root",
    )
    for verb in ("sign", "refuse"):
        key, ask = f"outgoing.why_not_{verb}_switch", getattr(p, f"why_not_{verb}_switch")
        yield Row(key, lambda w, ask=ask: ask(w.user("gus"), None, now=NOW), only)  # type: ignore[misc]  # a default binds it
        yield Row(key, lambda w, ask=ask: ask(w.user("rita"), None, now=NOW), p.NOTHING)  # type: ignore[misc]  # a default binds it
        for by, state, said in (
            ("root", "proposed", None),
            ("rita", "proposed", SECOND if verb == "sign" else None),
            ("root", "refused", p.NOTHING),
        ):
            yield Row(
                key,
                lambda w, ask=ask, by=by, state=state: ask(  # type: ignore[misc]  # defaults bind them
                    w.user("rita"),
                    OutgoingSwitch(state=state, proposed_person=w.user(by).person),
                    now=NOW,
                ),
                said,
            )


def of_claims() -> Iterator[Row]:
    p = rights

    def ines(w: World) -> Party:
        return Party.objects.select_related("person").get(person=w.user("ines").person)

    all_ = "rights.why_not_see_all"
    for name in ("rita", "otto"):
        yield Row(all_, lambda w, name=name: p.why_not_see_all(w.user(name)), None)  # type: ignore[misc]  # a default binds it
    yield Row(
        all_,
        lambda w: p.why_not_see_all(w.user("gus")),
        "How far the claim wave is, is shown to reviewers, responders, auditors and"
        " administrators.",
    )
    yield from everybody(
        "rights.why_not_answer",
        lambda user, w: p.why_not_answer(user, ines(w), now=NOW),
        "Ines is asked: only who stands for Ines may answer.",
        "ines",
    )
    yield from everybody(
        "rights.why_not_run",
        lambda user, _: p.why_not_run(user, now=NOW),
        "Only a reviewer or an administrator may run the claim wave.",
        "rita",
        "root",
    )
    own = "rights.why_not_own_service"
    for owned, many, said in (
        (False, (3, 2), None),
        (True, (3, 2), "The service has an owner: Ines."),
        (
            False,
            (2, 2),
            "Others are asked about most of it: only what you are asked about can become yours.",
        ),
    ):
        yield Row(
            own,
            lambda w, owned=owned, many=many: p.why_not_own_service(  # type: ignore[misc]  # defaults bind them
                w.user("ines"),
                ines(w),
                owner=ines(w) if owned else None,
                mine=many[0],
                others=many[1],
                now=NOW,
            ),
            said,
        )

    def undo(user: User, w: World, **fields: Any) -> str | None:
        said = {"person": w.user("ines").person, "by_name": "Ines", "not_before": NOW + HOUR}
        return p.why_not_undo(user, ClaimAnswer(**(said | fields)), now=NOW)

    yield from everybody(
        "rights.why_not_undo", undo, "Ines answered: only they may take it back.", "ines"
    )
    for fields, why in (
        ({"undone_at": NOW}, "It was taken back already."),
        ({"carried_at": NOW}, "Its time to be taken back is over."),
        ({"not_before": NOW}, "Its time to be taken back is over."),
    ):
        yield Row(
            "rights.why_not_undo",
            lambda w, fields=fields: undo(w.user("ines"), w, **fields),  # type: ignore[misc]  # a default binds it
            why,
        )
