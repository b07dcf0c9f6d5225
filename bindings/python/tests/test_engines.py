# SPDX-License-Identifier: MIT
"""The functions with the signatures of DeepSeek's EPLB, vLLM and SGLang."""

import sys
from enum import Enum, auto
from types import ModuleType, SimpleNamespace
from typing import Tuple

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
    for shape, why in (
        ((8,), "it must have 2 dimensions$"),
        ((1, 1, 8), "it must have 2 dimensions$"),
        ((0, 8), "so it is empty; each extent must be 1 or more"),
    ):
        for given in (torch.ones(shape), numpy.ones(shape)):
            with pytest.raises(ValueError, match=rf"weight has shape \({shape[0]},.*{why}"):
                eplb.rebalance_experts(given, 8, 1, 1, 4)
    for given in (weight * 1j, (weight * 1j).numpy()):
        with pytest.raises(TypeError, match="the elements of weight are .*complex.*; they must be real numbers"):
            eplb.rebalance_experts(given, 8, 1, 1, 4)


def first_map(layers, experts, slots):
    """What vLLM begins with: experts in order, then copies of the first ones."""
    return torch.arange(slots).remainder(experts).repeat(layers, 1)


def check_maps(maps, experts):
    """That the three say the same."""
    slots, inverse, count = maps
    assert torch.equal(torch.nn.functional.one_hot(slots, experts).sum(1), count)
    assert torch.equal((inverse >= 0).sum(2), count)
    for layer, row in enumerate(inverse.tolist()):
        for expert, of_expert in enumerate(row):
            assert {slots[layer, slot].item() for slot in of_expert if slot >= 0} == {expert}


class TestVllm:
    policy = eplb.vllm.DefaultEplbPolicy

    class Steady(eplb.vllm.DefaultEplbPolicy):
        options = eplb.Options(strategy="search")
        max_changes_per_layer = 2

    def test_plan(self):
        weight = random_loads(3, 24)
        want, _, _ = eplb.rebalance_experts(weight, 32, 4, 2, 8)
        got = self.policy.rebalance_experts(weight, 32, 4, 2, 8)
        assert torch.equal(got, want) and got.dtype == torch.int64

    @pytest.mark.parametrize("returned", [Tuple[torch.Tensor, torch.Tensor, torch.Tensor], "tuple[Tensor, ...]"])
    def test_versions_that_take_three_maps(self, monkeypatch, returned):
        """Of 2025-12 without the placement in use, of 2026-01 with it."""
        self.run_vllm(monkeypatch, returned)
        weight = random_loads(3, 24)
        for got, want in zip(
            self.policy.rebalance_experts(weight, 32, 4, 2, 8), eplb.rebalance_experts(weight, 32, 4, 2, 8)
        ):
            assert torch.equal(got, want) and got.dtype == torch.int64
        old = first_map(3, 24, 32)
        maps = self.policy.rebalance_experts(weight, 32, 4, 2, 8, old)
        check_maps(maps, 24)
        self.run_vllm(monkeypatch, torch.Tensor)
        assert torch.equal(self.policy.rebalance_experts(weight, 32, 4, 2, 8, old), maps[0])

    def run_vllm(self, monkeypatch, returned):
        """A vLLM whose policies are declared to return this."""

        class AbstractEplbPolicy:
            @classmethod
            def rebalance_experts(cls, weight: torch.Tensor):
                raise NotImplementedError

        AbstractEplbPolicy.rebalance_experts.__func__.__annotations__["return"] = returned
        module = SimpleNamespace(AbstractEplbPolicy=AbstractEplbPolicy)
        monkeypatch.setitem(sys.modules, "vllm.distributed.eplb.policy.abstract", module)

    def test_experts_that_stay_on_their_rank_keep_their_slot(self):
        old = self.policy.rebalance_experts(random_loads(3, 24, 1), 32, 1, 1, 4)
        fresh = self.policy.rebalance_experts(random_loads(3, 24, 2), 32, 1, 1, 4)
        got = self.policy.rebalance_experts(random_loads(3, 24, 2), 32, 1, 1, 4, old)
        self.check_kept(old, got, fresh, 8)

    @pytest.mark.parametrize("ranks", [3, 6])
    def test_ranks_leave_and_join(self, ranks):
        """What those that stay have is kept as if there had never been others."""
        old = self.policy.rebalance_experts(random_loads(3, 24, 1), 40, 1, 1, 5)
        weight = random_loads(3, 24, 2)
        got = self.policy.rebalance_experts(weight, 8 * ranks, 1, 1, ranks, old)
        self.check_kept(old, got, self.policy.rebalance_experts(weight, 8 * ranks, 1, 1, ranks), 8)

    def check_kept(self, old, got, fresh, per_rank):
        """The experts of each rank are those of the fresh plan, and as many as can be are where they were."""
        kept = 0
        for layer in range(len(old)):
            for rank in range(0, got.shape[1], per_rank):
                was, new, planned = (one[layer, rank : rank + per_rank].tolist() for one in (old, got, fresh))
                assert sorted(new) == sorted(planned)
                for expert in set(was):
                    stays = min(was.count(expert), new.count(expert))
                    assert sum(a == b == expert for a, b in zip(was, new)) == stays
                    kept += stays
        assert kept > 0

    def test_a_map_of_replicas_is_reordered_alike(self):
        old, new = numpy.array([[0, 1, 0, 2, 3, 4]]), numpy.array([[2, 0, 1, 3, 0, 2]])
        assert self.policy.preserve_intragpu_slots(new, 2, old).tolist() == [[0, 1, 2, 2, 3, 0]]
        replicas = numpy.array([[0, 0, 0, 0, 1, 1]])
        slots, kept = self.policy.preserve_intragpu_slots(new, replicas, 2, old)
        assert slots.tolist() == [[0, 1, 2, 2, 3, 0]] and kept.tolist() == [[0, 0, 0, 1, 0, 1]]

    def test_a_placement_of_other_layers(self):
        for policy in (self.policy, self.Steady):
            with pytest.raises(ValueError, match=r"old_global_expert_indices has shape \(2, 32\).*\(3, slots\)"):
                policy.rebalance_experts(random_loads(3, 24), 32, 1, 1, 4, first_map(2, 24, 32))

    def test_a_policy_that_moves_few_experts(self):
        old = self.Steady.rebalance_experts(random_loads(3, 24, 1), 32, 1, 1, 4)
        got = self.Steady.rebalance_experts(random_loads(3, 24, 2), 32, 1, 1, 4, old)
        changed = (old != got).sum(1)
        assert 0 < changed.max() <= 2

    @pytest.mark.parametrize("nodes, groups", [(4, 8), (2, 8), (4, 1)])
    def test_a_policy_that_moves_few_experts_from_where_vllm_begins(self, caplog, nodes, groups):
        """Of a model as DeepSeek's. The profile run at start has no loads."""
        old = first_map(2, 256, 288)
        for weight in (torch.zeros(2, 256), random_loads(2, 256)):
            got = self.Steady.rebalance_experts(weight, 288, groups, nodes, 32, old)
            eplb.check(eplb.Shape(2, 256, 288, 32, groups, nodes), got)
        assert (got == old).sum() > 0
        assert bool(caplog.records) == (groups > 1)
        if groups > 1:
            on_node = (got.view(2, nodes, -1) // 32).tolist()
            assert all(sum(len(set(node)) for node in row) == groups for row in on_node)
            caplog.clear()
        again = self.Steady.rebalance_experts(random_loads(2, 256, 1), 288, groups, nodes, 32, got)
        assert 0 < (again != got).sum(1).max() <= 2 and not caplog.records

    def test_a_policy_that_moves_few_experts_when_ranks_leave_and_join(self, caplog):
        old = self.Steady.rebalance_experts(random_loads(3, 24, 1), 40, 1, 1, 5)
        weight = random_loads(3, 24, 2)
        more = self.Steady.rebalance_experts(weight, 48, 1, 1, 6, old)
        assert 0 < (more[:, :40] != old).sum(1).max() <= 2
        assert all(len(set(row)) == 8 for row in more[:, 40:].tolist())
        less = self.Steady.rebalance_experts(weight, 24, 1, 1, 3, old)
        lost = max(24 - len(set(row)) for row in old[:, :24].tolist())
        assert 2 < lost <= (less != old[:, :24]).sum(1).max() <= lost + 2
        assert not caplog.records

    def test_each_layer_has_a_limit_of_its_own(self, caplog):
        """What one layer has to change is not free to another."""
        old = first_map(3, 24, 32)
        old[0, 24:] = -1
        old[1, 30:] = -1
        got = self.Steady.rebalance_experts(random_loads(3, 24), 32, 1, 1, 4, old)
        assert ((old != got).sum(1) <= torch.tensor([8 + 2, 2 + 2, 2])).all() and not caplog.records
        one_by_one = [
            self.Steady.rebalance_experts(random_loads(3, 24)[layer : layer + 1], 32, 1, 1, 4, old[layer : layer + 1])
            for layer in range(3)
        ]
        assert torch.equal(got, torch.cat(one_by_one))

    def test_any_map_of_integers(self):
        """The policies that search take what vLLM's takes."""
        old = first_map(3, 24, 32)
        weight = random_loads(3, 24)
        for policy in (self.policy, self.Steady):
            want = policy.rebalance_experts(weight, 32, 1, 1, 4, old)
            given = [old.t().contiguous().t(), old.repeat_interleave(2, 1)[:, ::2], old.numpy(), old.tolist()]
            given += [old.to(getattr(torch, name)) for name in "int16 uint8 int32".split()]
            for one in given:
                assert torch.equal(policy.rebalance_experts(weight, 32, 1, 1, 4, one), want)
            halves = torch.tensor([[True, False] * 2])
            two = torch.tensor([[3, 1]])
            got, want = (policy.rebalance_experts(two, 4, 1, 1, 2, one) for one in (halves, halves.long()))
            assert torch.equal(got, want)
            with pytest.raises(TypeError, match="of old_global_expert_indices are float32; they must be integers"):
                policy.rebalance_experts(weight, 32, 1, 1, 4, old.float())

    def test_any_weight(self):
        old, weight = first_map(3, 24, 32), random_loads(3, 24)
        for policy in (self.policy, self.Steady):
            want = policy.rebalance_experts(weight, 32, 1, 1, 4, old)
            for one in (weight.numpy(), weight.numpy().astype("u2"), weight.tolist(), weight.t().contiguous().t()):
                assert torch.equal(policy.rebalance_experts(one, 32, 1, 1, 4, old), want)
            for shape, why in (((24,), "2 dimensions"), ((1, 3, 24), "2 dimensions"), ((0, 24), "empty")):
                with pytest.raises(ValueError, match=f"weight has shape .*{why}"):
                    policy.rebalance_experts(torch.ones(shape), 32, 1, 1, 4, old)

    def test_a_placement_that_cannot_be(self, caplog):
        with pytest.raises(eplb.InvalidPlacementError, match="99"):
            self.Steady.rebalance_experts(random_loads(1, 24), 32, 1, 1, 4, torch.full((1, 32), 99))
        assert not caplog.records


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

    def test_counts_without_steps(self):
        counts = random_loads(3, 24)
        want = eplb.rebalance_experts(counts, 32, 1, 1, 8)
        for given in (counts, counts.numpy()):
            got = eplb.sglang.rebalance_experts(given, 32, 4, None, 2, self.Algorithm.deepseek)
            assert type(got[0]) is type(given)
            assert all(one.tolist() == other.tolist() for one, other in zip(got, want))

    def test_halves_are_added_up_as_float32(self):
        steps = torch.full((2, 1, 8), 60000.0)
        steps[0, 0, 3] = 59968
        want = eplb.rebalance_experts(steps.sum(0), 12, 1, 1, 4)
        for given in (steps.half(), steps.half().numpy()):
            got = eplb.sglang.rebalance_experts(given, 12, 3, None, 1, self.Algorithm.deepseek)
            assert all(one.tolist() == other.tolist() for one, other in zip(got, want))

    @pytest.mark.parametrize("slots_of_gpu", [0, -3, 5, 13])
    def test_slots_that_do_not_divide(self, slots_of_gpu):
        why = f"num_local_physical_experts is {slots_of_gpu}; it must divide num_physical_experts, 12"
        with pytest.raises(ValueError, match=why):
            eplb.sglang.rebalance_experts(random_loads(1, 8), 12, slots_of_gpu, None, 1, self.Algorithm.deepseek)

    def test_a_model_without_groups(self):
        steps = random_loads(3, 24).unsqueeze(0)
        got = eplb.sglang.rebalance_experts(steps, 32, 4, None, 2, self.Algorithm.deepseek)
        assert torch.equal(got[0], eplb.rebalance_experts(steps[0], 32, 1, 1, 8)[0])
        with pytest.raises(ValueError, match="num_groups"):
            eplb.sglang.rebalance_experts(steps, 32, 4, None, 2, self.Algorithm.deepseek_hierarchical)

    #: As SGLang's, with the line that docs/python.md adds.
    ENGINE = """
def rebalance_experts(
    tokens_per_expert, num_physical_experts, num_local_physical_experts, num_groups, num_nodes, algorithm
):
    return algorithm, tokens_per_expert, num_physical_experts, num_local_physical_experts, num_groups, num_nodes

from eplb.sglang import rebalance_experts
"""

    def test_algorithms_of_sglang(self, monkeypatch):
        early = eplb.sglang.rebalance_experts
        arguments = ("tokens", 8, 2, None, 1)
        engine = ModuleType("sglang.srt.eplb.eplb_algorithms")
        for name in ("sglang", "sglang.srt", "sglang.srt.eplb"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, engine.__name__, engine)
        exec(self.ENGINE, vars(engine))
        for given in (self.Algorithm.deepseek_vec, SimpleNamespace(name="elasticity_aware")):
            for ours in (engine.rebalance_experts, eplb.sglang.rebalance_experts, early):
                assert ours(*arguments, given) == (given, *arguments)
        counts = random_loads(1, 8).unsqueeze(0)
        got = engine.rebalance_experts(counts, 8, 2, None, 1, self.Algorithm.deepseek)
        assert torch.equal(got[0], eplb.rebalance_experts(counts[0], 8, 1, 1, 4)[0])
        engine.rebalance_experts = early
        with pytest.raises(NotImplementedError, match="deepseek_vec.*after sglang.srt.eplb.eplb_algorithms"):
            early(*arguments, self.Algorithm.deepseek_vec)

    def test_algorithms_of_sglang_without_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "sglang", None)
        for given in (self.Algorithm.deepseek_vec, SimpleNamespace(name="elasticity_aware")):
            with pytest.raises(NotImplementedError, match=given.name + ".* SGLang cannot be imported"):
                eplb.sglang.rebalance_experts(torch.ones(1, 2, 8), 8, 2, 1, 1, given)
