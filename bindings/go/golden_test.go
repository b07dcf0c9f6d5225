// SPDX-License-Identifier: MIT

package eplb_test

import (
	"context"
	"reflect"
	"testing"

	"eplb"
)

// golden is a case of golden_plans.json: one problem, and its solution by some strategies.
type golden struct {
	Name, Kind                        string
	Packs, Slots, Groups, Nodes, Gpus int
	Loads                             [][]int64
	Want                              map[string]map[string][][]int64
}

func flatten[T eplb.Load](rows [][]int64) (out []T) {
	for _, row := range rows {
		for _, value := range row {
			out = append(out, T(value))
		}
	}
	return out
}

func (g *golden) pack(t *testing.T, options *eplb.Options, input eplb.Input, index, rank eplb.Map) {
	packing := eplb.Packing{
		NumRows: len(g.Loads), NumItems: len(g.Loads[0]), NumPacks: g.Packs,
		PackIndex: index, RankInPack: rank,
	}
	if err := eplb.BalancedPacking(context.Background(), options, input, packing); err != nil {
		t.Fatal(err)
	}
}

func (g *golden) rebalance(t *testing.T, options *eplb.Options, input eplb.Input, maps eplb.Maps) {
	shape := eplb.Shape{
		NumLayers: len(g.Loads), NumLogicalExperts: len(g.Loads[0]), NumPhysicalExperts: g.Slots,
		NumGroups: g.Groups, NumNodes: g.Nodes, NumGPUs: g.Gpus,
	}
	if err := eplb.RebalanceExperts(context.Background(), shape, options, input, maps, nil); err != nil {
		t.Fatal(err)
	}
}

func checkGolden[L eplb.Load, I eplb.Index](t *testing.T, g golden, strategy eplb.Strategy, threads int) {
	options := eplb.Options{Strategy: strategy, NumThreads: threads}
	input := eplb.Input{Loads: eplb.LoadsOf(flatten[L](g.Loads))}
	items, slots := len(g.Loads)*len(g.Loads[0]), len(g.Loads)*g.Slots
	got := map[string][]I{}
	if g.Kind == "pack" {
		got["pack_index"], got["rank_in_pack"] = make([]I, items), make([]I, items)
		g.pack(t, &options, input, eplb.MapOf(got["pack_index"]), eplb.MapOf(got["rank_in_pack"]))
	} else {
		got["physical_to_logical"], got["replica_rank"] = make([]I, slots), make([]I, slots)
		got["replica_count"] = make([]I, items)
		g.rebalance(t, &options, input, eplb.Maps{
			PhysicalToLogical: eplb.MapOf(got["physical_to_logical"]),
			ReplicaRank:       eplb.MapOf(got["replica_rank"]),
			ReplicaCount:      eplb.MapOf(got["replica_count"]),
		})
	}
	for name, rows := range g.Want[strategy.String()] {
		if want := flatten[I](rows); !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s with %s of %T and %T, %d threads: %v, want %v", name, strategy, *new(L), *new(I), threads,
				got[name], want)
		}
	}
}

func TestGoldenPlans(t *testing.T) {
	var all struct{ Cases []golden }
	eplb.ReadJSON(t, "tests/conformance/golden_plans.json", &all)
	if len(all.Cases) == 0 {
		t.Fatal("there are no cases")
	}
	for _, g := range all.Cases {
		t.Run(g.Name, func(t *testing.T) {
			if len(g.Want) == 0 {
				t.Fatal("there are no plans")
			}
			for name := range g.Want {
				strategy, err := eplb.StrategyFromName(name)
				if err != nil {
					t.Fatal(err)
				}
				for _, threads := range []int{1, 2} {
					checkGolden[float32, int32](t, g, strategy, threads)
					checkGolden[float64, int64](t, g, strategy, threads)
					checkGolden[int32, int64](t, g, strategy, threads)
					checkGolden[int64, int32](t, g, strategy, threads)
				}
			}
		})
	}
}
