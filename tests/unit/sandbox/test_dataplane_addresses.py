"""Pod addresses: stable, given back, and never another sandbox's."""

import subprocess
import sys

from meshtui.sandbox.addresses import AddressPool, outbound_address, unprivileged
from meshtui.sandbox.dataplane.nodeport import NodePortClaim


def test_a_uid_keeps_its_address():
    pool = AddressPool()
    first = pool.allocate("a")
    assert pool.allocate("a") == first
    assert pool.allocate("b") != first


def test_a_released_address_is_the_last_to_be_used_again():
    pool = AddressPool()
    first = pool.allocate("a")
    pool.release("a")
    pool.release("never seen")
    later = [pool.allocate(f"p{index}") for index in range(254)]
    assert later[-1] == first
    assert len(set(later)) == 254


def test_two_processes_never_share_a_block():
    mine = AddressPool().allocate("a").rpartition(".")[0]
    code = "from meshtui.sandbox.addresses import allocate_pod_address as a; print(a('x'))"
    others = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert others.rpartition(".")[0] != mine


def test_a_pool_that_is_full_claims_another_block():
    pool = AddressPool()
    addresses = {pool.allocate(f"p{index}") for index in range(300)}
    assert len(addresses) == 300


def test_derived_places():
    assert outbound_address("127.1.7.9") == "127.2.7.9"
    assert unprivileged(80) == 18080
    assert unprivileged(8080) == 8080


def test_two_sandboxes_never_choose_the_same_node_port():
    first, second = NodePortClaim(), NodePortClaim()
    assert first.port != second.port
    assert first.port >= 30000
    first.close()
    second.close()
