"""Functions that controllers share: ownership, adoption, pods from templates, status."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from meshtui.sandbox.apiserver.kinds import BY_PLURAL
from meshtui.sandbox.apiserver.selectors import labels_match
from meshtui.sandbox.apiserver.store import Store, now
from meshtui.sandbox.ports import Obj

HASH_LABEL = "pod-template-hash"
REVISION_LABEL = "controller-revision-hash"
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def owner_reference(owner: Obj) -> Obj:
    """An owner reference that makes ``owner`` the controller of another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Obj) -> str | None:
    """The uid of an object's controller, or None for an orphan."""
    for reference in obj["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return str(reference["uid"])
    return None


def is_deleting(obj: Obj) -> bool:
    """Whether an object is being deleted."""
    return "deletionTimestamp" in obj["metadata"]


def is_active(pod: Obj) -> bool:
    """Whether a pod counts as a replica: it is neither finished nor being deleted."""
    return not is_deleting(pod) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def is_ready(pod: Obj) -> bool:
    """Whether a pod is Ready."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def claim(store: Store, plural: str, owner: Obj, *, only: Callable[[Obj], bool] | None = None) -> list[Obj]:
    """The objects that ``owner`` controls, after it adopted matching orphans and released objects that no longer match.

    ``only`` limits adoption further than the selector.
    """
    uid, selector = owner["metadata"]["uid"], owner["spec"].get("selector")
    claimed = []
    for obj in store.list(plural, owner["metadata"]["namespace"]):
        matches = labels_match(selector, obj["metadata"].get("labels") or {})
        controller = controller_of(obj)
        if controller == uid and not matches and not is_deleting(obj):
            references = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
            store.update(plural, obj | {"metadata": obj["metadata"] | {"ownerReferences": references}})
        elif controller == uid:
            claimed.append(obj)
        elif controller is None and matches and (only is None or only(obj)) and not is_deleting(obj) and not is_deleting(owner):
            references = [r for r in obj["metadata"].get("ownerReferences") or [] if r["uid"] != uid]
            metadata = obj["metadata"] | {"ownerReferences": [*references, owner_reference(owner)]}
            claimed.append(store.update(plural, obj | {"metadata": metadata}))
    return claimed


def template_hash(template: Obj) -> str:
    """A short hash of a pod template."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2s(text.encode(), digest_size=8).digest())
    letters = ""
    for _ in range(10):
        number, index = divmod(number, len(_SAFE))
        letters += _SAFE[index]
    return letters


def pod_from(template: Obj, owner: Obj, *, name: str = "", labels: dict[str, str] | None = None) -> Obj:
    """A pod of ``owner`` from its template. Without a name the API server generates one."""
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = (metadata.get("labels") or {}) | (labels or {})
    metadata |= {"namespace": owner["metadata"]["namespace"], "ownerReferences": [owner_reference(owner)]}
    metadata |= {"name": name} if name else {"generateName": f"{owner['metadata']['name']}-"}
    return {"metadata": metadata, "spec": dict(template["spec"])}


def delete_pod(store: Store, pod: Obj) -> None:
    """Delete a pod with its grace period, unless it is already being deleted."""
    if is_deleting(pod):
        return
    never_ran = not pod["spec"].get("nodeName") or not is_active(pod)
    grace = 0 if never_ran else int(pod["spec"].get("terminationGracePeriodSeconds", 30))
    metadata = pod["metadata"]
    store.begin_delete("pods", metadata["namespace"], metadata["name"], grace, orphan=False)


def set_status(store: Store, plural: str, obj: Obj, status: dict[str, Any]) -> None:
    """Write an object's status if it changed and the object still exists."""
    metadata = obj["metadata"]
    current = store.get(plural, metadata.get("namespace"), metadata["name"])
    if current is None or current["metadata"]["uid"] != metadata["uid"] or current.get("status") == status:
        return
    store.update(plural, current | {"status": status}, BY_PLURAL[plural].kind + "-controller", subresource="status")


def condition(old: Obj, kind: str, holds: bool, reason: str, message: str) -> Obj:
    """A status condition. Its transition time changes only with its status."""
    status = "True" if holds else "False"
    for was in (old.get("status") or {}).get("conditions") or []:
        same = all(was.get(k) == v for k, v in (("status", status), ("reason", reason), ("message", message)))
        if was.get("type") == kind and same:
            return dict(was)
        if was.get("type") == kind and was.get("status") == status:
            updated: Obj = was | {"reason": reason, "message": message, "lastUpdateTime": now()}
            return updated
    time = now()
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": time,
        "lastTransitionTime": time,
    }


def deletion_order(pod: Obj) -> tuple[bool, bool, bool, str]:
    """Sort key of pods to delete when there are too many: unscheduled, then not ready, then the youngest."""
    status = pod.get("status") or {}
    return (
        bool(pod["spec"].get("nodeName")),
        status.get("phase") == "Running",
        is_ready(pod),
        # Younger pods have the higher revision; complementing digits sorts them first.
        "".join(chr(ord("9") - ord(c) + ord("0")) for c in pod["metadata"]["creationTimestamp"] if c.isdigit()),
    )
