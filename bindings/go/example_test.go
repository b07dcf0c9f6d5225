// SPDX-License-Identifier: MIT

package eplb_test

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"eplb"
)

func ExampleRebalanceExperts() {
	shape := eplb.Shape{NumLayers: 1, NumLogicalExperts: 4, NumPhysicalExperts: 6, NumGPUs: 3}
	loads := []int64{900, 100, 400, 300}
	expertOfSlot, replicas := make([]int32, 6), make([]int32, 4)

	options := &eplb.Options{Strategy: eplb.StrategyLPT}
	input := eplb.Input{Loads: eplb.LoadsOf(loads)}
	maps := eplb.Maps{PhysicalToLogical: eplb.MapOf(expertOfSlot), ReplicaCount: eplb.MapOf(replicas)}
	err := eplb.RebalanceExperts(context.Background(), shape, options, input, maps, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("replicas of each expert", replicas)
	// Output: replicas of each expert [3 1 1 1]
}

// A planner lives as long as the server. It plans from a window of loads, and moves experts when that is worth it.
func ExampleContext() {
	shape := eplb.Shape{NumLayers: 2, NumLogicalExperts: 8, NumPhysicalExperts: 12, NumGPUs: 4}
	planner, err := eplb.NewContext(shape, &eplb.Options{MaxSamples: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer planner.Close()

	expertOfSlot := make([]int32, 2*12) // the placement in use
	for i := range expertOfSlot {
		expertOfSlot[i] = int32(i % 12 % 8)
	}
	inUse := eplb.Maps{PhysicalToLogical: eplb.MapOf(expertOfSlot)}
	window := []float32{
		900, 120, 80, 300, 60, 110, 240, 90, 150, 140, 700, 650, 30, 20, 60, 250, // [layer][expert] of one hour
		700, 220, 90, 200, 90, 100, 250, 80, 350, 120, 500, 850, 20, 40, 80, 210, // and of the next
	}
	for round := 0; round < 3; round++ {
		input := eplb.Input{
			Loads:      eplb.LoadsOf(window),
			NumSamples: 2,
			Current:    eplb.MapOf(expertOfSlot),
			MaxChanges: eplb.AtMost(6), // slots that may get another expert at once
		}
		if err := planner.SubmitWeights(context.Background(), input); err != nil {
			fmt.Println("the placement stays:", err)
			continue
		}
		var stats eplb.Stats
		if err := planner.GetStats(&stats); err != nil {
			fmt.Println(err)
			return
		}
		if stats.Changes == 0 {
			continue // nothing to move
		}
		if err := planner.GetMaps(inUse); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("in use:", eplb.CheckPlacement(shape, inUse, eplb.CheckDuplicates))
	// Output: in use: <nil>
}

func ExampleError() {
	shape := eplb.Shape{NumLayers: 1, NumLogicalExperts: 4, NumPhysicalExperts: 4, NumGPUs: 2}
	input := eplb.Input{Loads: eplb.LoadsOf([]float32{1, -2, 3, 4})}
	err := eplb.RebalanceExperts(context.Background(), shape, nil, input, eplb.Maps{}, nil)

	if errors.Is(err, eplb.ErrInvalidLoad) {
		fmt.Println("a counter is broken")
	}
	var failure *eplb.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Status.String())
		fmt.Println(failure.Message)
	}
	// Output:
	// a counter is broken
	// EPLB_ERROR_INVALID_LOAD
	// the load of sample 0, layer 0, expert 1 is -2; it must be finite in float32 and not negative
}

func ExampleOptions() {
	shape := eplb.Shape{NumLayers: 3, NumLogicalExperts: 8, NumPhysicalExperts: 8, NumGPUs: 4}
	options := &eplb.Options{
		Strategy: eplb.StrategyLPTRestart4,
		Log:      func(level eplb.LogLevel, message string) { fmt.Println("log:", message[:20]) },
		Progress: func(done, total int64) error {
			if done == total {
				fmt.Println("planned", total, "layers")
			}
			return nil // an error would end the plan
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // ends it too
	defer cancel()
	input := eplb.Input{Loads: eplb.LoadsOf(make([]float32, 3*8))}
	if err := eplb.RebalanceExperts(ctx, shape, options, input, eplb.Maps{}, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// log: context for 3 layers
	// planned 3 layers
}

// A cluster with a gpu that is leaving, and two that are twice as fast as the others.
func ExampleShape() {
	shape := eplb.Shape{
		NumLayers: 1, NumLogicalExperts: 6, NumPhysicalExperts: 8, NumGPUs: 4,
		SlotsPerGPU: []int32{3, 3, 2, 0},
		SpeedOfGPU:  []float32{2, 2, 1, 1},
	}
	stats := eplb.Stats{GPULoad: make([]float64, 4)}
	input := eplb.Input{Loads: eplb.LoadsOf([]float32{300, 200, 200, 100, 100, 100})}
	if err := eplb.RebalanceExperts(context.Background(), shape, nil, input, eplb.Maps{}, &stats); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("gpu 0 has more to do than gpu 2:", stats.GPULoad[0] > stats.GPULoad[2])
	fmt.Println("gpu 3 has", stats.GPULoad[3], "tokens")
	// Output:
	// gpu 0 has more to do than gpu 2: true
	// gpu 3 has 0 tokens
}

// Loads and maps are in device memory, and the plan is made on a stream; planner is of Options.Memory MemoryCUDA.
func ExampleContext_SubmitWeightsAsync() {
	var planner *eplb.Context
	var loads, expertOfSlot, stream unsafe.Pointer // from cudaMalloc and cudaStreamCreate

	plan := func() error {
		input := eplb.Input{Loads: eplb.CUDALoads(loads, 58*256, eplb.TypeFloat32)}
		if err := planner.SubmitWeightsAsync(input, stream); err != nil {
			return err
		}
		maps := eplb.Maps{PhysicalToLogical: eplb.CUDAMap(expertOfSlot, 58*288, eplb.TypeInt32)}
		if err := planner.GetMapsAsync(maps, stream); err != nil {
			return err
		}
		for {
			if done, err := planner.Poll(); done || err != nil {
				return err // of a bad load too, which is found on the device
			}
			time.Sleep(50 * time.Microsecond) // or do something useful
		}
	}
	_ = plan
}
