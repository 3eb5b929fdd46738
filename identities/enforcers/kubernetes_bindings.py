"""Role bindings that name one service account: taken out of them, remembered there, put back.

Owns the subjects and the annotation by which a binding remembers whom it named. A binding is
written as a whole under the resourceVersion it was read with, so that nothing foreign is
overwritten: whoever was faster is read again. Must not know which step is made.

Source: kubernetes.io, "Using RBAC Authorization": subjects, groups of service accounts, default
bindings, and the restrictions on updating a binding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evidence.formats.clusters import SERVICE_ACCOUNT

from .contract import TemporaryFailure
from .kubernetes_cluster import RBAC, Absent, Api, Changed, metadata_of
from .web import pause

HELD = "countersign/held-subjects"
LISTS = ("rolebindings", "clusterrolebindings")
MOST_TURNS = 4
# The hold of an account itself, among the keys of holds of what it is allowed.
ACCOUNT = "account"
# With this label the API server makes and mends a binding itself: everybody has what they grant.
DEFAULTS = "kubernetes.io/bootstrapping"

type Binding = dict[str, Any]


def every(api: Api) -> list[Binding]:
    """All bindings of the cluster."""
    return [
        one
        for kind in LISTS
        for one in api.listed(f"{RBAC}/{kind}", right=f"list {kind} in all namespaces")
    ]


def naming(bindings: list[Binding], namespace: str, name: str) -> list[Binding]:
    """Those that name this service account itself."""
    return [one for one in bindings if any(_is(s, one, namespace, name) for s in subjects(one))]


def holding(
    bindings: list[Binding], namespace: str, name: str, *, holder: str = ""
) -> list[Binding]:
    """Those that remember having named it; `holder`: for this hold."""
    found = [one for one in bindings if f"{namespace}/{name}" in remembered(one)]
    return [one for one in found if not holder or holder in holders(one, namespace, name)]


def holders(binding: Binding, namespace: str, name: str) -> set[str]:
    """For which holds a binding remembers it: `ACCOUNT`, and keys of holds of what it is allowed."""
    kept = remembered(binding).get(f"{namespace}/{name}")
    said = None if kept is None else kept.get("for", [ACCOUNT])
    return {one for one in said if type(one) is str} if isinstance(said, list) else set()


def grouped(bindings: list[Binding], namespace: str) -> Iterator[tuple[str, Binding]]:
    """(group, binding) for each group that every service account there is in, without defaults."""
    groups = {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }
    for one in bindings:
        about = metadata_of(one)
        within = about.get("namespace")
        if DEFAULTS in (about.get("labels") or {}) or within not in (None, namespace):
            continue
        for subject in subjects(one):
            if subject.get("kind") == "Group" and subject.get("name") in groups:
                yield str(subject["name"]), one


def called(binding: Binding) -> str:
    about = metadata_of(binding)
    within = about.get("namespace")
    kind = "role binding" if within else "cluster role binding"
    return f"{kind} {within}/{about.get('name')}" if within else f"{kind} {about.get('name')}"


def take_out(api: Api, binding: Binding, who: tuple[str, str], *, holder: str, key: str) -> None:
    """Name this service account no more; `holder`: remember whom to put back once this hold and
    every other one is over, and whose step it was; "": for good."""
    namespace, name = who

    def change(one: Binding) -> Binding | None:
        ours = [s for s in subjects(one) if _is(s, one, namespace, name)]
        kept = remembered(one)
        before = json.dumps(kept, sort_keys=True)
        place = f"{namespace}/{name}"
        known = kept.get(place, {})
        if holder and (ours or known):
            earlier = known.get("subjects") or []
            both = [*earlier, *(s for s in ours if s not in earlier)]
            those = holders(one, namespace, name)
            if ours or holder not in those:
                kept[place] = {"key": key, "subjects": both, "for": sorted({*those, holder})}
        elif not holder:
            kept.pop(place, None)
        if not ours and json.dumps(kept, sort_keys=True) == before:
            return None
        left = [s for s in subjects(one) if not _is(s, one, namespace, name)]
        return _with(one, left, kept)

    _written(api, binding, change, key=key)


def put_back(api: Api, binding: Binding, who: tuple[str, str], *, holder: str, key: str) -> None:
    """Name it again as it was named before, where no other hold remembers it there."""
    place = f"{who[0]}/{who[1]}"

    def change(one: Binding) -> Binding | None:
        kept = remembered(one)
        those = holders(one, *who)
        if place not in kept or holder not in those:
            return None
        if those != {holder}:
            kept[place] = {**kept[place], "for": sorted(those - {holder})}
            return _with(one, subjects(one), kept)
        there, held = subjects(one), kept.pop(place).get("subjects")
        # Whatever somebody wrote into the memory: nobody but this account is put back.
        ours = [s for s in held or [] if isinstance(s, dict) and _is(s, one, who[0], who[1])]
        back = [s for s in ours if s not in there]
        return _with(one, [*there, *back], kept)

    _written(api, binding, change, key=key)


def subjects(binding: Binding) -> list[dict[str, Any]]:
    found = binding.get("subjects")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def remembered(binding: Binding) -> dict[str, Any]:
    """Whom it named before, by namespace/name; what is damaged there is nothing."""
    try:
        found = json.loads((metadata_of(binding).get("annotations") or {}).get(HELD, "{}"))
    except (ValueError, TypeError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: said for name, said in found.items() if isinstance(said, dict)}


def _is(subject: dict[str, Any], binding: Binding, namespace: str, name: str) -> bool:
    """Whether a subject is this service account, by either of its names."""
    if subject.get("kind") == "User":
        return subject.get("name") == f"{SERVICE_ACCOUNT}{namespace}:{name}"
    within = subject.get("namespace") or metadata_of(binding).get("namespace")
    said = (subject.get("kind"), within, subject.get("name"))
    return said == ("ServiceAccount", namespace, name)


def _with(binding: Binding, left: list[dict[str, Any]], kept: dict[str, Any]) -> Binding:
    about = dict(metadata_of(binding))
    annotations = {k: v for k, v in (about.get("annotations") or {}).items() if k != HELD}
    if kept:
        annotations[HELD] = json.dumps(kept, sort_keys=True)
    return {**binding, "subjects": left, "metadata": {**about, "annotations": annotations}}


def _written(api: Api, binding: Binding, change: Any, *, key: str) -> None:
    about = metadata_of(binding)
    within = f"/namespaces/{about['namespace']}" if about.get("namespace") else ""
    kind = LISTS[0] if within else LISTS[1]
    path, one = f"{RBAC}{within}/{kind}/{about.get('name')}", binding
    # Objects of a list do not say of which kind they are.
    said = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    said["kind"] = "RoleBinding" if within else "ClusterRoleBinding"
    for _ in range(MOST_TURNS):
        changed = change(one)
        if changed is None:
            return
        try:
            right = f"update {kind}, and to bind (or have) every role that they give"
            api.ask("PUT", path, right=right, body={**changed, **said}, key=key)
        except Absent:
            return
        except Changed:
            try:
                one = api.ask("GET", path, right=f"get {kind}")
            except Absent:
                return
        else:
            return
    raise TemporaryFailure(
        f"{called(binding)} is changed again and again by somebody else.", retry_after=pause()
    )
