# SPDX-License-Identifier: MIT
"""Plans a made-up load of 58 layers of 256 experts, and prints the balance before and after. Needs no numpy."""

import random

import eplb

LAYERS, EXPERTS, SLOTS, GPUS = 58, 256, 288, 32

shape = eplb.Shape(num_layers=LAYERS, num_logical_experts=EXPERTS, num_physical_experts=SLOTS, num_gpus=GPUS)
tokens = random.Random(1)
loads = [[tokens.lognormvariate(6, 0.65) for _ in range(EXPERTS)] for _ in range(LAYERS)]

before = [[slot % EXPERTS for slot in range(SLOTS)]] * LAYERS
was = eplb.score(shape, loads, before)
plan = eplb.plan(loads, shape)
now = plan.stats

print("                              before   after   bound")
print(f"balancedness, mean of layers  {was.balancedness:.4f}  {now.balancedness:.4f}  {now.bound:.4f}")
print(f"balancedness, worst layer     {was.balancedness_min:.4f}  {now.balancedness_min:.4f}")
print(f"most replicas of an expert    {was.max_replica_count:6}  {now.max_replica_count:6}")
print("experts on gpu 0 of layer 0: ", *plan.physical_to_logical[0][: SLOTS // GPUS])
