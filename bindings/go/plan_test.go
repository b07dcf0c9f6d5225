// SPDX-License-Identifier: MIT

package eplb_test

import (
	"context"
	"errors"
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"eplb"
)

var background = context.Background()

// small is the shape of most tests.
var small = eplb.Shape{NumLayers: 6, NumLogicalExperts: 16, NumPhysicalExperts: 24, NumGPUs: 8}

// loadsFor makes up loads, the same for the same seed.
func loadsFor(s eplb.Shape, samples int, seed int64) []float32 {
	random := rand.New(rand.NewSource(seed))
	loads := make([]float32, samples*s.NumLayers*s.NumLogicalExperts)
	for i := range loads {
		loads[i] = float32(random.Intn(10000))
	}
	return loads
}

// plan has room for all maps of a shape.
type plan struct{ physicalToLogical, replicaRank, replicaCount, logicalToPhysical []int32 }

func newPlan(s eplb.Shape) (plan, eplb.Maps) {
	slots, experts := s.NumLayers*s.NumPhysicalExperts, s.NumLayers*s.NumLogicalExperts
	replicas := s.NumPhysicalExperts - s.NumLogicalExperts + 1
	p := plan{make([]int32, slots), make([]int32, slots), make([]int32, experts), make([]int32, experts*replicas)}
	return p, eplb.Maps{
		PhysicalToLogical: eplb.MapOf(p.physicalToLogical),
		ReplicaRank:       eplb.MapOf(p.replicaRank),
		ReplicaCount:      eplb.MapOf(p.replicaCount),
		LogicalToPhysical: eplb.MapOf(p.logicalToPhysical),
		MaxReplicas:       replicas,
	}
}

func newContext(t testing.TB, shape eplb.Shape, options *eplb.Options) *eplb.Context {
	t.Helper()
	c, err := eplb.NewContext(shape, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func succeed(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t testing.TB, err error, status eplb.Status, text string) {
	t.Helper()
	var e *eplb.Error
	if !errors.Is(err, status) || !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Message, text) {
		t.Errorf("%v, want %s and %q", err, status.String(), text)
	}
}

func TestContextPlansLikeTheOneCall(t *testing.T) {
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	once, onceMaps := newPlan(small)
	gpuLoad := make([]float64, small.NumLayers*small.NumGPUs)
	stats := eplb.Stats{
		LayerBalancedness: make([]float64, small.NumLayers),
		GPULoad:           gpuLoad,
		LayerBound:        make([]float64, small.NumLayers),
	}
	succeed(t, eplb.RebalanceExperts(background, small, nil, input, onceMaps, &stats))
	if stats.Balancedness <= 0.5 || stats.Balancedness > stats.Bound || stats.BalancednessMin > stats.Balancedness ||
		stats.MaxReplicaCount < 2 || stats.LayerBound[5] < stats.LayerBalancedness[5] || gpuLoad[len(gpuLoad)-1] == 0 {
		t.Error(stats)
	}

	c := newContext(t, small, nil)
	again, againMaps := newPlan(small)
	succeed(t, c.SubmitWeights(background, input))
	succeed(t, c.GetMaps(againMaps))
	if !reflect.DeepEqual(once, again) {
		t.Error("the plans differ")
	}
	var fromContext, scored eplb.Stats
	succeed(t, c.GetStats(&fromContext))
	succeed(t, eplb.CheckPlacement(small, againMaps, 0))
	succeed(t, eplb.ScorePlacement(small, input, againMaps, &scored))
	if fromContext.Balancedness != stats.Balancedness || scored.Balancedness != stats.Balancedness {
		t.Error(stats, fromContext, scored)
	}
	if most, err := c.MaxReplicaCount(); err != nil || most != stats.MaxReplicaCount {
		t.Error(most, err)
	}
	if c.Strategy() == eplb.StrategyAuto || c.Policy() == eplb.PolicyAuto || c.Backend() != eplb.BackendCPU {
		t.Error(c.Strategy(), c.Policy(), c.Backend())
	}
}

func TestPlanningDoesNotAllocate(t *testing.T) {
	c := newContext(t, small, nil)
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	_, maps := newPlan(small)
	var stats eplb.Stats
	allocations := testing.AllocsPerRun(100, func() {
		succeed(t, c.SubmitWeights(background, input))
		succeed(t, c.GetMaps(maps))
		succeed(t, c.GetStats(&stats))
	})
	if allocations != 0 {
		t.Error(allocations)
	}
}

type tokens int64
type expertID int64

// Any element type, also a named one, is read and written as what it is.
func TestElementTypes(t *testing.T) {
	want, maps := newPlan(small)
	loads := loadsFor(small, 1, 2)
	succeed(t, eplb.RebalanceExperts(background, small, nil, eplb.Input{Loads: eplb.LoadsOf(loads)}, maps, nil))
	check := func(loads eplb.Loads) {
		t.Helper()
		got := make([]expertID, len(want.physicalToLogical))
		maps := eplb.Maps{PhysicalToLogical: eplb.MapOf(got)}
		succeed(t, eplb.RebalanceExperts(background, small, nil, eplb.Input{Loads: loads}, maps, nil))
		for i, expert := range got {
			if int32(expert) != want.physicalToLogical[i] {
				t.Fatal(got)
			}
		}
	}
	check(eplb.LoadsOf(convert[float64](loads)))
	check(eplb.LoadsOf(convert[int32](loads)))
	check(eplb.LoadsOf(convert[tokens](loads)))
}

func convert[T eplb.Load](loads []float32) []T {
	out := make([]T, len(loads))
	for i := range loads {
		out[i] = T(loads[i])
	}
	return out
}

// The runtime must not take an array for the pointers that lie beside it.
func TestArraysBesidePointers(t *testing.T) {
	block := &struct {
		name  *string
		loads [6 * 16]float32
		next  *int
		slots [6 * 24]int32
	}{name: new(string), next: new(int)}
	copy(block.loads[:], loadsFor(small, 1, 1))
	c := newContext(t, small, nil)
	succeed(t, c.SubmitWeights(background, eplb.Input{Loads: eplb.LoadsOf(block.loads[:])}))
	succeed(t, c.GetMaps(eplb.Maps{PhysicalToLogical: eplb.MapOf(block.slots[:])}))
}

func TestSeveralSamples(t *testing.T) {
	c := newContext(t, small, &eplb.Options{MaxSamples: 3})
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 3, 1)), NumSamples: 3}
	succeed(t, c.SubmitWeights(background, input))
	input.NumSamples = 4
	fails(t, c.SubmitWeights(background, input), eplb.ErrInvalidArgument, "num_samples")
	if c.Strategy() != eplb.StrategySearch {
		t.Error(c.Strategy())
	}
}

func TestClusterDescription(t *testing.T) {
	shape := small
	shape.NumNodes = 2
	shape.SlotsPerGPU = []int32{4, 4, 4, 4, 4, 4, 0, 0} // two gpus are gone
	shape.SpeedOfGPU = []float32{1, 1, 1, 1, 2, 2, 1, 1}
	shape.NodeOfGPU = []int32{0, 1, 0, 1, 0, 1, 0, 1}
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	_, maps := newPlan(shape)
	stats := eplb.Stats{GPULoad: make([]float64, 6*8)}
	succeed(t, eplb.RebalanceExperts(background, shape, nil, input, maps, &stats))
	for layer := 0; layer < 6; layer++ {
		load := stats.GPULoad[8*layer : 8*layer+8]
		if load[6] != 0 || load[7] != 0 || load[4] <= load[0] {
			t.Error(load)
		}
	}
	shape.SlotsPerGPU = shape.SlotsPerGPU[:7]
	_, err := eplb.NewContext(shape, nil)
	fails(t, err, eplb.ErrInvalidArgument, "slots_per_gpu")
}

func TestCurrentPlacementAndChanges(t *testing.T) {
	c := newContext(t, small, &eplb.Options{Strategy: eplb.StrategySearch})
	current := make([]int64, 6*24)
	for i := range current {
		current[i] = int64(i % 24 % 16)
	}
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1)), Current: eplb.MapOf(current)}
	changes := func() int {
		t.Helper()
		succeed(t, c.SubmitWeights(background, input))
		var stats eplb.Stats
		succeed(t, c.GetStats(&stats))
		return stats.Changes
	}
	if n := changes(); n <= 2 {
		t.Error(n)
	}
	input.MaxChanges = eplb.AtMost(2)
	if n := changes(); n == 0 || n > 2 {
		t.Error(n)
	}
	input.MaxChangesPerLayer = eplb.AtMost(0)
	if n := changes(); n != 0 {
		t.Error(n)
	}
}

func TestParts(t *testing.T) {
	loads := []float32{9, 1, 5, 5}
	index, rank := make([]int32, 4), make([]int32, 4)
	packing := eplb.Packing{
		NumRows: 1, NumItems: 4, NumPacks: 2, PackIndex: eplb.MapOf(index), RankInPack: eplb.MapOf(rank),
	}
	input := eplb.Input{Loads: eplb.LoadsOf(loads)}
	succeed(t, eplb.BalancedPacking(background, &eplb.Options{Strategy: eplb.StrategyLPT}, input, packing))
	if !reflect.DeepEqual(index, []int32{0, 0, 1, 1}) || !reflect.DeepEqual(rank, []int32{0, 1, 0, 1}) {
		t.Error(index, rank)
	}
	shape := eplb.Shape{NumLayers: 1, NumLogicalExperts: 4, NumPhysicalExperts: 6}
	p, maps := newPlan(shape)
	succeed(t, eplb.ReplicateExperts(background, shape, nil, input, maps))
	if !reflect.DeepEqual(p.physicalToLogical, []int32{0, 1, 2, 3, 0, 2}) {
		t.Error(p.physicalToLogical)
	}
}

func TestMemoryNeeded(t *testing.T) {
	host, cuda, err := eplb.MemoryNeeded(small, &eplb.Options{Backend: eplb.BackendCPU})
	if err != nil || host == 0 || cuda != 0 {
		t.Error(host, cuda, err)
	}
	_, _, err = eplb.MemoryNeeded(eplb.Shape{}, nil)
	fails(t, err, eplb.ErrInvalidArgument, "num_layers")
}

func TestDescriptions(t *testing.T) {
	if eplb.LibraryVersion() < eplb.Version || !strings.Contains(eplb.BuildInfo(), ".") {
		t.Error(eplb.LibraryVersion(), eplb.BuildInfo())
	}
	for _, strategy := range eplb.Strategies() {
		found, err := eplb.StrategyFromName(strategy.String())
		if err != nil || found != strategy || strategy.Description() == "" {
			t.Error(strategy, found, err)
		}
	}
	for _, name := range []string{"", "best", "lpt\x00"} {
		_, err := eplb.StrategyFromName(name)
		fails(t, err, eplb.ErrInvalidArgument, "no strategy")
	}
	if got := eplb.Strategy(-5).String() + eplb.Backend(9).String() + eplb.Strategy(99).Description(); got !=
		"Strategy(-5)Backend(9)" {
		t.Error(got)
	}
	if backends := eplb.Backends(); len(backends) != 3 || backends[1].String() != "cpu" {
		t.Error(backends)
	}
	cpu := eplb.BackendCPU
	if err := cpu.Available(); err != nil || cpu.DeviceCount() != 1 {
		t.Error(err, cpu.DeviceCount())
	}
	if text, err := cpu.DescribeDevice(0); err != nil || text == "" {
		t.Error(text, err)
	}
	_, err := cpu.DescribeDevice(1)
	fails(t, err, eplb.ErrInvalidArgument, "device")
	fails(t, eplb.Backend(9).Available(), eplb.ErrInvalidArgument, "backend")
}
