import time
import pytest
from django.test import Client
from identities.models import *
from reviews.models import *
@pytest.mark.django_db
def test_x(planted):
    for f in Finding.objects.all(): print(f.key, f.rule, f.identity, f.count, f.words, f.state)
    for f in Credential.objects.select_related("actor"): print(f.key, f.actor.value, f.identity, f.state)
    for c in Case.objects.all():
        print(c, c.state, c.kind, [(i.kind, i.title, i.outcome) for i in c.items.all()], [(s.kind, str(s.party)) for s in c.seats.all()])
    for b in Binding.objects.filter(state="proposed"): print(b, b.actor, b.identity)
    u = User.objects.get(username="ines")
    c = Client(); c.force_login(u, backend="django.contrib.auth.backends.ModelBackend")
    for p in ("/", "/queue/", "/cases/", "/cases/CS-2003/","/identities/", "/identities/NHI-1/", "/identities/NHI-1/lanes.json", "/findings/", "/findings/F-1/", "/credentials/", "/credentials/CRED-1/", "/unclaimed/", "/ai-systems/", "/runs/RUN-1/", "/requests/new/", "/profile/", "/sources/", "/events/", "/ledger/"):
        t=time.time()
        try: r = c.get(p); print(p, r.status_code, round(time.time()-t,3), len(r.content))
        except Exception as e: print(p, repr(e)[:300])
