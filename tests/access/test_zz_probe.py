import json, pytest
from django.db import transaction
from tests.access.routes import all_routes
from tests.access.world import ACTORS, World
METHODS=("GET","HEAD","POST","PUT","PATCH","DELETE","OPTIONS")
AT={"uuid":"{ready}"}
def addr(p):
    import re
    p="/"+p
    p=p.replace("(?P<app_label>auth|accounts|tasks)/$","tasks/").replace("^","").replace("(?P<url>.*)$","nothing").replace("(?:/|$)","/zzz")
    if "agents/<uuid" in p: p=p.replace("<uuid:uuid>","{agent}")
    if "queues/<uuid" in p: p=p.replace("<uuid:uuid>","{queue}")
    if "tasks/<uuid" in p: p=p.replace("<uuid:uuid>","{ready}")
    p=p.replace("<path:content_type_id>","{task_type_id}")
    for k,v in {"auth/group":"group_id","accounts/user":"owner_id","accounts/tokenfamily":"family_id","tasks/agent":"agent_id","tasks/queue":"queue_id","tasks/taskevent":"event_id","tasks/task/":"task_id"}.items():
        if k in p: p=p.replace("<path:object_id>","{%s}"%v).replace("<id>","{%s}"%v)
    return p.replace("<path:object_id>","{task_id}")
@pytest.mark.django_db
def test_probe(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    w=World.make()
    out=[]
    for r in all_routes():
        a=w.fill(addr(r.pattern)); 
        line={}
        for m in METHODS:
            cell=[]
            for actor in ACTORS:
                with transaction.atomic():
                    c,h=w.client_of(actor, with_token=a.startswith("/api"))
                    resp=c.generic(m,a,b"",("application/json" if a.startswith("/api") else "application/x-www-form-urlencoded"),secure=True,headers=h)
                    loc=resp.headers.get("Location","")
                    cell.append(f"{resp.status_code}{'L' if '/sign-in' in loc else ''}")
                    transaction.set_rollback(True)
            line[m]=" ".join(cell)
        out.append(f"{r.name:40} {a:60}\n"+"\n".join(f"      {m:8}{v}" for m,v in line.items()))
    open("/tmp/probe.txt","w").write("\n".join(out))
