"""A large cluster on the sandbox's API server, and a storm of changes: ``load_server.py INPUT RATE SECONDS``.

Prints one JSON line with its kubeconfig, and starts the storm when a line comes in on stdin; each further line is another
storm ("RATE SECONDS"). The Deployment ``a-clock/clock`` counts up all the while; what it counted when is in the last line.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from meshtui.sandbox.apiserver.server import ApiServer

CLOCK_S = 0.7
"""How often the Deployment counts: not in step with anything that the program does."""


def objects(folder: Path) -> list[dict]:
    """Everything of a made-up cluster."""
    found = [item for path in sorted(folder.glob("*.json")) for item in json.loads(path.read_bytes())["items"]]
    for item in found:
        item["metadata"].pop("resourceVersion", None)  # this server numbers them itself
        item["metadata"].pop("uid", None)
    return found


def clock(count: int) -> dict:
    """The Deployment that counts, in the first namespace of all."""
    labels = {"app": "clock"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "clock", "namespace": "a-clock"},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}},
        },
    }


class Storm:
    """Changes as a busy cluster has them: pods turn ready and not, come and go; now and then a policy is edited."""

    def __init__(self, api: ApiServer) -> None:
        self._store, self._rng = api.store, random.Random(1)
        self._pods = [(e.obj["metadata"]["namespace"], e.obj["metadata"]["name"]) for e in api.store.entries("pods")]
        self._policies = [
            (e.obj["metadata"]["namespace"], e.obj["metadata"]["name"]) for e in api.store.entries("networkpolicies")
        ]
        self._serial = 0

    def change(self) -> None:
        """One change."""
        chance = self._rng.random()
        if chance < 0.005 and self._policies:
            policy = self._store.require("networkpolicies", *self._rng.choice(self._policies))
            annotations = {**(policy["metadata"].get("annotations") or {}), "edited": str(self._serial)}
            self._store.update("networkpolicies", {**policy, "metadata": {**policy["metadata"], "annotations": annotations}})
        elif chance < 0.1:
            self._replace(self._rng.randrange(len(self._pods)))
        else:
            self._turn(*self._rng.choice(self._pods))
        self._serial += 1

    def _replace(self, place: int) -> None:
        """A pod ends, and another takes its place, as a rollout does it."""
        old = self._store.delete("pods", *self._pods[place])
        if old is None:
            return
        namespace, name = self._pods[place]
        fresh = f"{name.rpartition('-')[0]}-{self._serial:06x}"
        kept = {k: v for k, v in old["metadata"].items() if k in {"namespace", "labels", "annotations", "ownerReferences"}}
        self._store.create("pods", {**old, "metadata": {**kept, "name": fresh}})
        self._pods[place] = (namespace, fresh)

    def _turn(self, namespace: str, name: str) -> None:
        pod = self._store.require("pods", namespace, name)
        status = dict(pod.get("status") or {})
        conditions = {c["type"]: c for c in status.get("conditions") or ()}
        ready = conditions.get("Ready", {}).get("status") != "True"
        conditions["Ready"] = {"type": "Ready", "status": "True" if ready else "False"}
        status["conditions"] = list(conditions.values())
        self._store.update("pods", {**pod, "status": status}, subresource="status")


async def storm(api: ApiServer, changes: Storm, rate: float, seconds: float) -> tuple[int, dict[int, float]]:
    """``rate`` changes a second; (how many there were, when the clock counted what)."""
    began = time.monotonic()
    done, counted, next_tick = 0, {}, began
    while (now := time.monotonic()) < began + seconds:
        while done < (now - began) * rate:
            changes.change()
            done += 1
        if now >= next_tick:
            count = len(counted) + 1
            counted[count] = time.monotonic()
            api.store.update(
                "deployments", {**api.store.require("deployments", "a-clock", "clock"), "spec": clock(count)["spec"]}
            )
            next_tick += CLOCK_S
        await asyncio.sleep(0.01)
    return done, counted


async def main(folder: Path, directory: Path) -> None:
    """Serve until stdin ends."""
    api = ApiServer(directory)
    await api.start()
    api.add_all([*objects(folder), clock(0)])
    changes = Storm(api)
    print(json.dumps({"kubeconfig": str(api.kubeconfig)}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        rate, seconds = map(float, line.split())
        done, counted = await storm(api, changes, rate, seconds)
        print(json.dumps({"events": done, "counted": counted}), flush=True)
    await api.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
