"""How a pack is put together: documents, their digests, and a signature over those.

Owns the manifest: the SHA-256 of every other file, signed by the key that signs the ledger's head.
Where nobody has set up such a key the pack is whole and proves nothing; it says so itself.
"""

import json
import zipfile
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import rfc8785
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string

from evidence import anchoring, ledger
from evidence.models import Anchor, AnchorCopy
from evidence.stores import anchors
from identities import visible as identities_visible
from identities.models import User
from identities.permissions import require
from reviews import sight
from reviews.models import Case, CaseMember
from reviews.packs import contents

VERSION = 1
TYPE = "countersign-pack+jws"
NOT_YOURS = "Reviewers, responders, auditors and administrators take packs out."
SCRIPT = "verify_pack.py"
READ_ME = """\
Pack of {case}, taken out at {at} by {by} from {where}

pack.html         to read
case.json         the case: who was asked, and every answer that was given
capsules/         what each of them was shown when they signed, frozen then
revocations.json  what was changed in outside systems, and what shows that it was
custody.json      who looked at this evidence before
ledger.json       the ledger's rows about all this, each with its way to a signed root
head.jws          the signed head of the ledger; receipts/ is what others answered who have it
manifest.json     the digest of every file; manifest.jws is the signature over it
keys.json         the public keys. Compare them with those that you got otherwise, long before

Check it, without a network, with Python 3.11 or newer and the package `cryptography`:

    python3 {script} PACK.zip --keys THE_KEYS_THAT_YOU_HAVE.json
"""


def why_not_take(case: Case, user: User, *, now: datetime) -> str | None:
    """Why somebody may not take this case out, beyond seeing it at all."""
    if case.sealed:
        if not CaseMember.objects.filter(case=case, person=user.person_id).exists():
            return NOT_YOURS
    elif not identities_visible.sees_all(user):
        return NOT_YOURS
    return sight.why_not_look_again(user, case, now=now)


def write(into: IO[bytes], case: Case, *, by: User, now: datetime) -> None:
    """The pack of this case as a zip, and a row in the ledger that it was taken out.

    Raises NotAllowed. The head is signed now, where that is set up, so that the newest rows are
    below it; rows of the last second may be too new to be.
    """
    require(why_not_take(case, by, now=now))
    ledger.seal(now=now, thorough=False)
    set_up = anchors.configured.read()
    if set_up is not None:
        anchoring.make(set_up, now=now, anyway=True)
    anchor = Anchor.objects.order_by("-number").first() if set_up is not None else None
    entries = contents.ledger_of(case)
    sealed = [one.seal.number for one in entries if hasattr(one, "seal")]
    proofs = {} if anchor is None else anchoring.proofs(anchor, sealed)
    shown = {
        "case": contents.case_of(case),
        "revocations": contents.revocations_of(case),
        "custody": contents.custody_of(case),
        "ledger": contents.rows_of(entries, proofs, anchor),
    }
    digests: dict[str, str] = {}
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as pack:

        def add(name: str, content: bytes | str) -> None:
            data = content.encode() if isinstance(content, str) else content
            pack.writestr(name, data)
            digests[name] = sha256(data).hexdigest()

        for name, document in shown.items():
            add(f"{name}.json", _json(document))
        for key, document in contents.capsules_of(case, by, now=now):
            add(f"capsules/{key}.json", _json(document))
        if anchor is not None:
            add("head.jws", anchor.statement)
            for copy in AnchorCopy.objects.filter(anchor=anchor, state="kept").order_by("place"):
                ending = "tsr" if copy.kind == "rfc3161" else "json"
                add(f"receipts/{copy.place}.{ending}", bytes(copy.receipt or b""))
            add("keys.json", _json({"keys": list(anchoring.jwks().values())}))
        where = {"at": now, "by": by.called, "where": settings.BASE_URL, "signed": anchor}
        add("pack.html", render_to_string("pack.html", {**shown, **where}))
        for folder, name in (("static", "pack.css"), ("scripts", SCRIPT)):
            add(name, (Path(settings.BASE_DIR) / folder / name).read_bytes())
        said = {"case": case.key, "at": ledger.moment(now), "by": by.called}
        add("README.txt", READ_ME.format(**said, where=settings.BASE_URL, script=SCRIPT))
        manifest = rfc8785.dumps(
            {
                "pack": case.key,
                "version": VERSION,
                "iss": settings.BASE_URL,
                "made_at": ledger.moment(now),
                "made_by": by.called,
                "files": digests,
            }
        )
        pack.writestr("manifest.json", manifest)
        if set_up is not None:
            signer = anchors.keys.signing(set_up.key)
            pack.writestr("manifest.jws", anchors.keys.over(manifest, signer, kind=TYPE))
    ledger.append(
        at=now, by=by.ref, by_name=by.called, act="case.pack", subject=case.key,
        words=f"{by.called} took the pack of {case.key} out",
        data={"manifest": sha256(manifest).hexdigest(), "signed": anchor is not None},
        sealed_case=case.pk if case.sealed else None,
    )  # fmt: skip


def _json(document: Any) -> str:
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)
