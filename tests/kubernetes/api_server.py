"""A small API server: Deployments, StatefulSets and DaemonSets with their revisions, enough of each for kubectl to list, watch,
create, patch, scale and undo, and a controller that rolls them out. An image with `broken` in its tag never becomes available. It speaks TLS, and
knows who has the client's certificate or the token; it forgets the past when it is told to.
"""

import copy
import hashlib
import json
import re
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

STEP = 0.3
RESOURCES = {
    "deployments": ("Deployment", ["deploy"]),
    "replicasets": ("ReplicaSet", ["rs"]),
    "statefulsets": ("StatefulSet", ["sts"]),
    "daemonsets": ("DaemonSet", ["ds"]),
    "controllerrevisions": ("ControllerRevision", []),
}
WORKLOADS = ("deployments", "statefulsets", "daemonsets")
REVISION = "deployment.kubernetes.io/revision"
N_NODES = 2


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def place(thing):
    return thing["metadata"]["namespace"], thing["metadata"]["name"]


def named(meta, template):
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:9]
    return f"{meta['name']}-{digest}", digest


class Cluster:
    def __init__(self):
        self.changed = threading.Condition(threading.RLock())
        self.version, self.forgotten, self.epoch = 100, 100, 0
        self.objects = {name: {} for name in RESOURCES}
        self.events = []

    def store(self, resource, thing, kind="MODIFIED"):
        with self.changed:
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            if kind == "DELETED":
                self.objects[resource].pop(place(thing), None)
            else:
                self.objects[resource][place(thing)] = thing
            self.events.append((self.version, resource, kind, copy.deepcopy(thing)))
            self.changed.notify_all()

    def create(self, resource, namespace, thing):
        meta = thing["metadata"]
        meta.update(namespace=namespace, uid=str(uuid.uuid4()), generation=1, creationTimestamp=now())
        meta.setdefault("annotations", {})
        if resource != "daemonsets":
            thing["spec"].setdefault("replicas", 1)
        thing["status"] = {}
        self.store(resource, thing, "ADDED")
        self.roll_out(resource, thing)
        return thing

    def change(self, resource, old, new):
        """A new specification: the controller looks at it, and rolls it out where the pods differ."""
        if new["spec"] != old["spec"]:
            new["metadata"]["generation"] += 1
            if new["spec"]["template"] != old["spec"]["template"]:
                written = {"manager": "kubectl", "operation": "Update", "time": now()}
                new["metadata"]["managedFields"] = [written]
        self.store(resource, new)
        if new["spec"]["template"] != old["spec"]["template"]:
            self.roll_out(resource, new)
        elif new["spec"] != old["spec"]:
            replicas = new["spec"]["replicas"]
            new["status"].update(observedGeneration=new["metadata"]["generation"], replicas=replicas)
            self.store(resource, new)
            counts = dict(updatedReplicas=replicas, readyReplicas=replicas, availableReplicas=replicas)
            self.later(resource, new, [(counts, None)])
        return new

    def roll_out(self, resource, thing):
        if resource == "deployments":
            return self.roll_out_deployment(thing)
        name, replicas = self.keep_revision(resource, thing), thing["spec"].get("replicas", 1)
        if resource == "statefulsets":
            current = thing["status"].get("currentRevision", name)
            begun = dict(replicas=replicas, readyReplicas=0, updatedReplicas=1, currentRevision=current, updateRevision=name)
            done = dict(replicas=replicas, readyReplicas=replicas, updatedReplicas=replicas, currentRevision=name, updateRevision=name)
        else:
            counts = lambda n: dict(updatedNumberScheduled=n, numberReady=n, numberAvailable=n)
            begun = dict(counts(1), desiredNumberScheduled=N_NODES, currentNumberScheduled=N_NODES, numberMisscheduled=0)
            done = dict(begun, **counts(N_NODES))
        self.later(resource, thing, [(begun, None), (done, None)])

    def keep_revision(self, resource, thing):
        """Keeps the pods' template as a ControllerRevision; one that is taken again becomes the newest. Gives its name."""
        meta, template = thing["metadata"], thing["spec"]["template"]
        name, _ = named(meta, template)
        own = [kept for kept in self.objects["controllerrevisions"].values() if kept["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]]
        again = next((kept for kept in own if kept["metadata"]["name"] == name), None)
        revision = copy.deepcopy(again) if again else {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": name,
                "namespace": meta["namespace"],
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now(),
                "labels": thing["spec"]["selector"]["matchLabels"],
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": RESOURCES[resource][0], "name": meta["name"], "uid": meta["uid"], "controller": True}],
            },
            "data": {"spec": {"template": dict(copy.deepcopy(template), **{"$patch": "replace"})}},
        }
        revision["revision"] = 1 + max([kept["revision"] for kept in own], default=0)
        self.store("controllerrevisions", revision, "MODIFIED" if again else "ADDED")
        return name

    def later(self, resource, thing, steps):
        for n, (counts, reason) in enumerate(steps):
            words = (resource, place(thing), thing["metadata"]["generation"], counts, reason)
            threading.Timer(STEP * (n + 1), self.step, words).start()

    def roll_out_deployment(self, thing):
        meta, spec = thing["metadata"], thing["spec"]
        own = [rs for rs in self.objects["replicasets"].values() if rs["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]]
        number = 1 + max([int(rs["metadata"]["annotations"][REVISION]) for rs in own], default=0)
        name, digest = named(meta, spec["template"])
        again = next((rs for rs in own if rs["metadata"]["name"] == name), None)
        replica_set = again or {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": meta["namespace"],
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now(),
                "labels": dict(spec["selector"]["matchLabels"], **{"pod-template-hash": digest}),
                "annotations": {},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"], "controller": True}],
            },
            "spec": {"replicas": spec["replicas"], "selector": spec["selector"], "template": copy.deepcopy(spec["template"])},
            "status": {},
        }
        replica_set["metadata"]["annotations"][REVISION] = str(number)
        self.store("replicasets", replica_set, "MODIFIED" if again else "ADDED")
        thing = copy.deepcopy(thing)
        thing["metadata"]["annotations"][REVISION] = str(number)
        self.store("deployments", thing)
        replicas = spec["replicas"]
        is_broken = any("broken" in container["image"] for container in spec["template"]["spec"]["containers"])
        first = "FoundNewReplicaSet" if again else "NewReplicaSetCreated"
        last = "ProgressDeadlineExceeded" if is_broken else "NewReplicaSetAvailable"
        up = 0 if is_broken else replicas
        steps = [
            (dict(replicas=replicas, updatedReplicas=0, readyReplicas=0, availableReplicas=0), first),
            (dict(replicas=replicas, updatedReplicas=1, readyReplicas=0, availableReplicas=0), "ReplicaSetUpdated"),
            (dict(replicas=replicas, updatedReplicas=replicas, readyReplicas=up, availableReplicas=up), last),
        ]
        self.later("deployments", thing, steps)

    def step(self, resource, key, generation, counts, reason):
        with self.changed:
            thing = copy.deepcopy(self.objects[resource].get(key))
            if not thing or thing["metadata"]["generation"] != generation:
                return
            status, fields = thing["status"], thing["metadata"].get("managedFields", [])
            written = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": now()}
            thing["metadata"]["managedFields"] = [field for field in fields if "subresource" not in field] + [written]
            status.update(counts, observedGeneration=generation)
            if reason:
                before = next((c for c in status.get("conditions", []) if c["type"] == "Progressing"), {})
                holds = "False" if reason == "ProgressDeadlineExceeded" else "True"
                since = before.get("lastTransitionTime") if before.get("status") == holds else now()
                status["conditions"] = [
                    {"type": "Available", "status": "True", "lastUpdateTime": now(), "lastTransitionTime": now()},
                    {"type": "Progressing", "status": holds, "reason": reason, "message": reason, "lastUpdateTime": now(), "lastTransitionTime": since},
                ]
            self.store(resource, thing)

    def forget(self):
        """Closes every watch, and answers one from before with 410."""
        with self.changed:
            self.version += 1
            self.forgotten, self.events = self.version, []
            self.epoch += 1
            self.changed.notify_all()


def merged(old, patch):
    """A strategic merge, as far as it is needed: containers by name, other lists as a whole."""
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    new = dict(old)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            new.pop(key, None)
        elif key == "containers":
            by_name = {container["name"]: container for container in old.get(key, [])}
            for container in value:
                by_name[container["name"]] = merged(by_name.get(container["name"], {}), container)
            new[key] = list(by_name.values())
        else:
            new[key] = merged(old.get(key), value)
    return new


def json_patched(old, operations):
    new = copy.deepcopy(old)
    for operation in operations:
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].strip("/").split("/")]
        place = new
        for part in path:
            place = place.setdefault(part, {})
        if operation["op"] == "remove":
            place.pop(last, None)
        else:
            place[last] = operation["value"]
    return new


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None
    token = None

    def parse_request(self):
        if not super().parse_request():
            return False
        if self.connection.getpeercert() or self.headers.get("Authorization") == f"Bearer {self.token}":
            return True
        self.refuse(401, "Unauthorized")
        return False

    def log_message(self, *_):
        pass

    def answer(self, body, status=200):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def refuse(self, status, reason):
        self.answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": status}, status)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")

    def place(self):
        path = urlsplit(self.path).path
        found = re.fullmatch(r"/apis/apps/v1(?:/namespaces/([^/]+))?/(\w+)(?:/([^/]+))?(?:/(\w+))?", path)
        return found.groups() if found and found[2] in RESOURCES else (None, None, None, None)

    def do_GET(self):
        path = urlsplit(self.path).path
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        if path == "/version":
            return self.answer({"major": "1", "minor": "37", "gitVersion": "v1.37.1"})
        if path == "/api":
            return self.answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
        if path == "/apis":
            version = {"groupVersion": "apps/v1", "version": "v1"}
            return self.answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": "apps", "versions": [version], "preferredVersion": version}]})
        if path == "/api/v1":
            return self.answer({"kind": "APIResourceList", "groupVersion": "v1", "resources": []})
        if path == "/apis/apps/v1":
            verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
            kinds = [{"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs, "shortNames": short} for name, (kind, short) in RESOURCES.items()]
            scale = {"name": "deployments/scale", "singularName": "", "namespaced": True, "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
            return self.answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1", "resources": [*kinds, scale]})
        namespace, resource, name, sub = self.place()
        if not resource:
            return self.refuse(404, "NotFound")
        if name:
            thing = self.cluster.objects[resource].get((namespace, name))
            return self.refuse(404, "NotFound") if not thing else self.answer(self.scale(thing) if sub == "scale" else thing)
        if query.get("watch") in ("1", "true"):
            return self.watch(namespace, resource, query)
        with self.cluster.changed:
            items = [thing for thing in self.cluster.objects[resource].values() if self.wants(thing, namespace, query)]
            kind = RESOURCES[resource][0]
            items = [dict(thing, kind=kind, apiVersion="apps/v1") for thing in items]
            return self.answer({"kind": f"{kind}List", "apiVersion": "apps/v1", "metadata": {"resourceVersion": str(self.cluster.version)}, "items": items})

    def wants(self, thing, namespace, query):
        meta = thing["metadata"]
        labels = dict(pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if "=" in pair)
        named = query.get("fieldSelector", "").removeprefix("metadata.name=")
        has = all(meta.get("labels", {}).get(key) == value for key, value in labels.items())
        return has and namespace in (None, meta["namespace"]) and named in ("", meta["name"])

    def watch(self, namespace, resource, query):
        cluster, start = self.cluster, int(query.get("resourceVersion") or 0)
        with cluster.changed:
            # A watch that begins with a list says so, and what is there comes before what changes.
            is_from_now = not start or query.get("sendInitialEvents") == "true"
            there = [thing for thing in cluster.objects[resource].values() if is_from_now and self.wants(thing, namespace, query)]
            start = cluster.version if is_from_now else start
        if start < cluster.forgotten:
            return self.refuse(410, "Expired")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        kind = {"kind": RESOURCES[resource][0], "apiVersion": "apps/v1"}
        if is_from_now:
            for thing in there:
                self.chunk({"type": "ADDED", "object": dict(thing, **kind)})
            end = {"resourceVersion": str(start), "annotations": {"k8s.io/initial-events-end": "true"}}
            self.chunk({"type": "BOOKMARK", "object": dict(kind, metadata=end)})
        epoch, until = cluster.epoch, time.time() + float(query.get("timeoutSeconds", 300))
        try:
            while time.time() < until and cluster.epoch == epoch:
                with cluster.changed:
                    new = [event for event in cluster.events if event[0] > start]
                    if not new:
                        cluster.changed.wait(1)
                        new = [event for event in cluster.events if event[0] > start]
                        if not new and query.get("allowWatchBookmarks"):
                            self.chunk({"type": "BOOKMARK", "object": dict(kind, metadata={"resourceVersion": str(start)})})
                for start, of, what, thing in new:
                    if of == resource and self.wants(thing, namespace, query):
                        self.chunk({"type": what, "object": dict(thing, **kind)})
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def chunk(self, event):
        line = json.dumps(event).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()

    def scale(self, thing):
        meta = {key: thing["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
        return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": {"replicas": thing["spec"]["replicas"]}, "status": {"replicas": thing["spec"]["replicas"]}}

    def do_POST(self):
        namespace, resource, _, _ = self.place()
        if resource not in WORKLOADS:
            return self.refuse(405, "MethodNotAllowed")
        with self.cluster.changed:
            return self.answer(self.cluster.create(resource, namespace, self.body()), 201)

    def do_PATCH(self):
        self.write()

    def do_PUT(self):
        self.write()

    def write(self):
        namespace, resource, name, sub = self.place()
        body, kind = self.body(), self.headers.get("Content-Type", "")
        with self.cluster.changed:
            old = self.cluster.objects.get(resource or "", {}).get((namespace, name))
            if not old or resource not in WORKLOADS:
                return self.refuse(404, "NotFound")
            new = copy.deepcopy(old)
            if sub == "scale":
                new["spec"]["replicas"] = body["spec"]["replicas"]
            elif "json-patch" in kind:
                new = json_patched(old, body)
            elif "patch" in kind:
                new = merged(new, body)
            else:
                new = body
            new["metadata"].pop("creationTimestamp", None)
            new["metadata"]["creationTimestamp"] = old["metadata"]["creationTimestamp"]
            new = self.cluster.change(resource, old, new)
            return self.answer(self.scale(new) if sub == "scale" else new)


def start(certificate, key, client_certificate, token):
    """The cluster, its server and its address. The files are PEM."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tls.load_verify_locations(client_certificate)
    tls.verify_mode = ssl.CERT_OPTIONAL
    cluster = Cluster()
    handler = type("Bound", (Handler,), {"cluster": cluster, "token": token})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return cluster, f"https://127.0.0.1:{server.server_address[1]}"
