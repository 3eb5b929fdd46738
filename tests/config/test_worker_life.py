"""What a worker does when it begins: before its first task, and for all of its life."""

import gc

from celery.signals import worker_process_init

from config import celery


def test_what_it_was_forked_with_is_never_looked_through_for_garbage() -> None:
    gc.unfreeze()
    before = gc.get_freeze_count()
    try:
        worker_process_init.send(sender=celery.app)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
