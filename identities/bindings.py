"""Which bindings the evidence suggests: counts of exact links in, proposals out. Pure.

AI traces do not say which identity acted, and identity logs do not say which agent. An API
event that an exact link ties to a run shows both at once: the agent of the run, and the
principal (with its credential) of the event. Whichever side is bound already says who the
other side is likely to be. And a standing key that records name with two principals is a question
to the identities of both. People confirm; nothing here binds anything.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from evidence.words import counted


class Count(NamedTuple):
    """So many calls of this agent were made by this principal with this credential."""

    agent: int  # actor ids, the longer-lived ones: what people bind
    principal: int
    credential: int | None
    calls: int


class Proposal(NamedTuple):
    """This actor is likely this identity; `shared` when others are as likely."""

    actor: int
    identity: str  # the identity's id as text
    seen: int
    shared: bool
    reason: str
    competing: tuple[int, ...]  # the other agents on the same credential


def propose(
    counts: Iterable[Count],
    bound: Mapping[int, frozenset[str]],
    names: Mapping[int, str],
    *,
    settled: frozenset[tuple[int, str]] = frozenset(),
) -> list[Proposal]:
    """What to ask people, strongest first; the same for any order of the counts.

    `bound`: actor id -> identities it is bound to now. `settled`: pairs of actor and identity
    that a person has confirmed or rejected, which are not asked again.
    """
    rows = [count for count in counts if count.calls > 0]
    on_principal: dict[int, set[int]] = defaultdict(set)
    calls: dict[tuple[int, int], int] = defaultdict(int)
    credentials: dict[tuple[int, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        on_principal[row.principal].add(row.agent)
        calls[row.agent, row.principal] += row.calls
        if row.credential is not None:
            credentials[row.agent, row.principal][row.credential] += row.calls
    found: dict[tuple[int, str], list[tuple[int, str, tuple[int, ...]]]] = defaultdict(list)
    for (agent, principal), seen in sorted(calls.items()):
        others = tuple(sorted(on_principal[principal] - {agent}))
        used = credentials[agent, principal]
        of_agent = bound.get(agent, frozenset())
        of_target = bound.get(principal, frozenset()).union(
            *(bound.get(credential, frozenset()) for credential in used)
        )
        # Nobody is known, or both are: then a difference is a finding, not a proposal.
        asked: list[tuple[int, str]] = []
        if of_target and not of_agent:
            asked = [(agent, identity) for identity in of_target]
        elif of_agent and not of_target:
            asked = [(principal, identity) for identity in of_agent]
        for pair in asked:
            if pair not in settled:
                sentence = _sentence(agent, principal, seen, used, others, names)
                found[pair].append((seen, sentence, others))
    identities_of: dict[int, set[str]] = defaultdict(set)
    for actor, identity in found:
        identities_of[actor].add(identity)
    proposals = []
    for (actor, identity), grounds in found.items():
        competing = tuple(sorted({other for _, _, others in grounds for other in others}))
        proposals.append(
            Proposal(
                actor=actor,
                identity=identity,
                seen=sum(seen for seen, _, _ in grounds),
                shared=bool(competing) or len(identities_of[actor]) > 1,
                reason=max(grounds, key=lambda ground: ground[0])[1],
                competing=competing,
            )
        )
    return sorted(proposals, key=lambda item: (-item.seen, item.actor, item.identity))


class Shared(NamedTuple):
    """Records name this principal with this key, which should be one principal's."""

    credential: int
    principal: int


def propose_shared(
    pairs: Iterable[Shared],
    bound: Mapping[int, frozenset[str]],
    names: Mapping[int, str],
    *,
    settled: frozenset[tuple[int, str]] = frozenset(),
) -> list[Proposal]:
    """Whose a key may be that was seen with several: each identity of them, for people to say.

    The calls are not counted, so no rule confirms one with others (`seen` is 0).
    """
    principals: dict[int, set[int]] = defaultdict(set)
    for pair in pairs:
        principals[pair.credential].add(pair.principal)
    proposals = []
    for credential, seen_with in sorted(principals.items()):
        if len(seen_with) < 2:
            continue  # its user's, without a question
        held = {one for principal in seen_with for one in bound.get(principal, frozenset())}
        everybody = all(bound.get(principal) for principal in seen_with)
        named = [_named(one, names) for one in sorted(seen_with)]
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        reason = f"records name this key with {', '.join(named[:3])}{more}"
        proposals += [
            Proposal(
                actor=credential,
                identity=identity,
                seen=0,
                shared=len(held) > 1 or not everybody,
                reason=reason,
                competing=(),
            )
            for identity in sorted(held)
            if (credential, identity) not in settled
        ]
    return proposals


def _sentence(
    agent: int,
    principal: int,
    seen: int,
    credentials: Mapping[int, int],
    others: tuple[int, ...],
    names: Mapping[int, str],
) -> str:
    most = max(credentials, key=lambda item: (credentials[item], -item), default=None)
    how = f"the key {_named(most, names)}" if most is not None else _named(principal, names)
    call = counted(seen, "call")
    made = "was" if seen == 1 else "were"
    words = f"{call} of {_named(agent, names)} {made} made with {how} of {_named(principal, names)}"
    if most is None:
        words = f"{call} of {_named(agent, names)} {made} made by {how}"
    if others:
        also = ", ".join(_named(other, names) for other in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        words += f"; {also}{more} used it too"
    return words


def _named(actor: int, names: Mapping[int, str]) -> str:
    """The name as a sentence shows it: bounded, because senders chose it."""
    name = names.get(actor, f"actor {actor}")
    return name if len(name) <= 120 else name[:117] + "…"
