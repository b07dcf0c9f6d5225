// SPDX-License-Identifier: MIT

package eplb_test

import (
	"reflect"
	"sort"
	"testing"
	"time"

	"eplb"
	"eplb/internal/cloop"
)

// A plan by way of one context, from Go and from C in turns, so that both have the same memory and the same neighbours
// on the machine. The medians are reported; ns/op is of both together.
func BenchmarkPlan(b *testing.B) {
	for name, shape := range map[string]eplb.Shape{
		"58x256": {NumLayers: 58, NumLogicalExperts: 256, NumPhysicalExperts: 288, NumGPUs: 32},
		"1x8":    {NumLayers: 1, NumLogicalExperts: 8, NumPhysicalExperts: 8, NumGPUs: 2},
	} {
		b.Run(name, func(b *testing.B) { benchmarkPlan(b, shape) })
	}
}

func benchmarkPlan(b *testing.B, shape eplb.Shape) {
	loads := loadsFor(shape, 1, 1)
	fromGo := make([]int32, shape.NumLayers*shape.NumPhysicalExperts)
	fromC := make([]int32, len(fromGo))
	planner := newContext(b, shape, &eplb.Options{Strategy: eplb.StrategyLPT})
	inGo, inC, over := make([]time.Duration, b.N), make([]time.Duration, b.N), make([]time.Duration, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		start := time.Now()
		submitted := planner.SubmitWeights(background, eplb.Input{Loads: eplb.LoadsOf(loads)})
		got := planner.GetMaps(eplb.Maps{PhysicalToLogical: eplb.MapOf(fromGo)})
		inGo[i] = time.Since(start)
		inC[i] = cloop.Plan(planner.Pointer(), loads, fromC)
		over[i] = inGo[i] - inC[i]
		succeed(b, submitted)
		succeed(b, got)
	}
	b.StopTimer()
	if !reflect.DeepEqual(fromGo, fromC) {
		b.Error("the plans differ")
	}
	b.ReportMetric(median(inGo), "go-ns")
	b.ReportMetric(median(inC), "c-ns")
	b.ReportMetric(median(over), "over-ns")
}

func median(times []time.Duration) float64 {
	sort.Slice(times, func(i, k int) bool { return times[i] < times[k] })
	return float64(times[len(times)/2])
}
