"""The demo signs its ledger's head, also when it is started again, by the same key."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from config.demo import keeping, returning
from evidence import anchoring
from evidence.models import SealKey
from evidence.stores import anchors
from tests.evidence.chained import seal_all, write


@pytest.mark.django_db(transaction=True)
def test_demo_signs_its_head_by_one_key(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_ANCHORS", "")
    settings.VAR, settings.ANCHORS = tmp_path, ""
    returning.probe_folder().mkdir(parents=True)
    now = timezone.now()
    for number in range(2):
        keeping.use()
        set_up = anchors.configured.read()
        assert set_up is not None
        write(number)
        seal_all(1 + number)  # the second time also that a key signs from here on
        anchor = anchoring.make(set_up, now=now + number * timedelta(hours=1))
        assert anchor is not None
        assert anchor.copies.get().kind == "mail"
    assert SealKey.objects.count() == 1
    assert (returning.probe_folder() / "seal.pem").stat().st_mode & 0o077 == 0
