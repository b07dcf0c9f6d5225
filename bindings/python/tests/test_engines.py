# SPDX-License-Identifier: MIT
"""The functions with the signatures of DeepSeek's EPLB, vLLM and SGLang."""

from enum import Enum, auto
from types import SimpleNamespace

import pytest

import eplb

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

import eplb.sglang  # noqa: E402
import eplb.vllm  # noqa: E402


def random_loads(layers, experts, seed=0):
    """Without two equal loads in a layer."""
    torch.manual_seed(seed)
    return torch.stack([torch.randperm(50 * experts)[:experts] for _ in range(layers)])


def check_deepseek(weight, replicas, groups, nodes, gpus):
    """What the three maps must say by themselves, and that the plan is the library's."""
    slots, inverse, count = eplb.rebalance_experts(weight, replicas, groups, nodes, gpus)
    layers, experts = weight.shape
    for one in (slots, inverse, count):
        assert isinstance(one, torch.Tensor) and one.dtype == torch.int64 and one.device.type == "cpu"
    assert slots.shape == (layers, replicas) and count.shape == (layers, experts)
    assert inverse.shape == (layers, experts, count.max())
    assert torch.equal((inverse >= 0).sum(2), count)
    for layer in range(layers):
        for expert in range(experts):
            of_expert = inverse[layer, expert, : count[layer, expert]]
            assert (slots[layer, of_expert] == expert).all()
    is_hierarchical = groups % nodes == 0
    shape = eplb.Shape(layers, experts, replicas, gpus, num_groups=groups, num_nodes=nodes)
    policy = "hierarchical" if is_hierarchical else "global"
    plan = eplb.plan(weight.float(), shape, eplb.Options(strategy="lpt", policy=policy))
    assert torch.equal(plan.physical_to_logical, slots)
    return slots, inverse, count


@pytest.mark.parametrize("groups, nodes", [(4, 2), (1, 1), (4, 1), (3, 2), (1, 4)])
def test_deepseek(groups, nodes):
    check_deepseek(random_loads(3, 24), 32, groups, nodes, 8)


def test_deepseek_takes_any_type_and_layout():
    weight = random_loads(2, 16) % 120 + torch.arange(16) * 0
    want = eplb.rebalance_experts(weight, 20, 1, 1, 4)
    strided = weight.repeat_interleave(2, 1)[:, ::2]
    assert not strided.is_contiguous()
    given = [strided, weight.t().contiguous().t(), weight.float().requires_grad_()]
    given += [weight.to(getattr(torch, name)) for name in "uint8 int8 int16 int32 float16 float32 float64".split()]
    for one in given:
        for got, expected in zip(eplb.rebalance_experts(one, 20, 1, 1, 4), want):
            assert torch.equal(got, expected)
    for one in (weight.numpy(), weight.numpy().astype("u2"), numpy.asfortranarray(weight.numpy()), weight.tolist()):
        for got, expected in zip(eplb.rebalance_experts(one, 20, 1, 1, 4), want):
            assert (got if isinstance(got, list) else got.tolist()) == expected.tolist()


def test_deepseek_without_load_spreads_the_replicas():
    _, inverse, count = eplb.rebalance_experts(torch.zeros(1, 4), 8, 1, 1, 2)
    assert count.tolist() == [[2, 2, 2, 2]] and inverse.shape == (1, 4, 2)


def test_deepseek_refuses_what_cannot_be():
    weight = random_loads(1, 8)
    for replicas, groups, nodes, gpus in ((9, 1, 1, 4), (4, 1, 1, 4), (8, 3, 1, 4), (8, 4, 4, 2)):
        with pytest.raises(AssertionError, match="num_"):
            eplb.rebalance_experts(weight, replicas, groups, nodes, gpus)
    with pytest.raises(eplb.InvalidLoadError, match="expert 3"):
        eplb.rebalance_experts(torch.tensor([[1.0, 1.0, 1.0, float("nan")]]), 4, 1, 1, 2)
    with pytest.raises((TypeError, ValueError), match="weight"):
        eplb.rebalance_experts(torch.ones(8), 8, 1, 1, 4)


class TestVllm:
    def test_plan(self):
        weight = random_loads(3, 24)
        want, _, _ = eplb.rebalance_experts(weight, 32, 4, 2, 8)
        got = eplb.vllm.DefaultEplbPolicy.rebalance_experts(weight, 32, 4, 2, 8)
        assert torch.equal(got, want) and got.dtype == torch.int64

    def test_experts_that_stay_on_their_rank_keep_their_slot(self):
        old = eplb.vllm.DefaultEplbPolicy.rebalance_experts(random_loads(3, 24, 1), 32, 1, 1, 4)
        fresh = eplb.vllm.DefaultEplbPolicy.rebalance_experts(random_loads(3, 24, 2), 32, 1, 1, 4)
        got = eplb.vllm.DefaultEplbPolicy.rebalance_experts(random_loads(3, 24, 2), 32, 1, 1, 4, old)
        kept = 0
        for layer in range(3):
            for rank in range(0, 32, 8):
                was, new, planned = (one[layer, rank : rank + 8].tolist() for one in (old, got, fresh))
                assert sorted(new) == sorted(planned)
                for expert in set(was):
                    stays = min(was.count(expert), new.count(expert))
                    assert sum(a == b == expert for a, b in zip(was, new)) == stays
                    kept += stays
        assert kept > 0

    def test_slots_of_another_number_of_ranks_are_not_looked_at(self):
        weight = random_loads(2, 8)
        got = eplb.vllm.DefaultEplbPolicy.rebalance_experts(weight, 12, 1, 1, 4, torch.zeros((2, 9), dtype=torch.int64))
        assert torch.equal(got, eplb.rebalance_experts(weight, 12, 1, 1, 4)[0])

    def test_a_policy_that_moves_few_experts(self):
        class Steady(eplb.vllm.DefaultEplbPolicy):
            options = eplb.Options(strategy="search")
            max_changes_per_layer = 2

        old = Steady.rebalance_experts(random_loads(3, 24, 1), 32, 1, 1, 4)
        got = Steady.rebalance_experts(random_loads(3, 24, 2), 32, 1, 1, 4, old)
        changed = (old != got).sum(1)
        assert 0 < changed.max() <= 2


class TestSglang:
    class Algorithm(Enum):
        deepseek = auto()
        deepseek_hierarchical = auto()
        deepseek_vec = auto()

    def test_plans(self):
        steps = torch.stack([random_loads(3, 24, seed) for seed in range(4)])
        for algorithm, groups, nodes in (("deepseek", 1, 1), ("deepseek_hierarchical", 4, 2)):
            want = eplb.rebalance_experts(steps.sum(0), 32, groups, nodes, 8)
            for given in (algorithm, self.Algorithm[algorithm]):
                got = eplb.sglang.rebalance_experts(
                    tokens_per_expert=steps,
                    num_physical_experts=32,
                    num_local_physical_experts=4,
                    num_groups=4,
                    num_nodes=2,
                    algorithm=given,
                )
                assert all(torch.equal(one, other) for one, other in zip(got, want))

    def test_a_model_without_groups(self):
        steps = random_loads(3, 24).unsqueeze(0)
        got = eplb.sglang.rebalance_experts(steps, 32, 4, None, 2, self.Algorithm.deepseek)
        assert torch.equal(got[0], eplb.rebalance_experts(steps[0], 32, 1, 1, 8)[0])
        with pytest.raises(ValueError, match="num_groups"):
            eplb.sglang.rebalance_experts(steps, 32, 4, None, 2, self.Algorithm.deepseek_hierarchical)

    def test_an_algorithm_of_its_own(self):
        for given in (self.Algorithm.deepseek_vec, SimpleNamespace(name="elasticity_aware")):
            with pytest.raises(NotImplementedError, match=given.name):
                eplb.sglang.rebalance_experts(torch.ones(1, 2, 8), 8, 2, 1, 1, given)
