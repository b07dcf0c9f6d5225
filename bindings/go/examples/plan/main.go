// SPDX-License-Identifier: MIT

// Plan makes up a load like those of DeepSeek-V3, plans it, and prints the balance before and after.
package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"math/rand"

	"eplb"
)

func main() {
	const layers, experts, slots, gpus = 58, 256, 288, 32
	shape := eplb.Shape{
		NumLayers: layers, NumLogicalExperts: experts, NumPhysicalExperts: slots, NumGPUs: gpus,
	}

	// Tokens that went to each expert of each layer: yours come from the engine's counters.
	random := rand.New(rand.NewSource(1))
	loads := make([]float32, layers*experts)
	for i := range loads {
		loads[i] = float32(math.Round(1000 * math.Exp(random.NormFloat64())))
	}
	input := eplb.Input{Loads: eplb.LoadsOf(loads)}

	// The expert in each slot: first without a plan, one after the other, then as planned.
	expertOfSlot := make([]int32, layers*slots)
	for i := range expertOfSlot {
		expertOfSlot[i] = int32(i % slots % experts)
	}
	maps := eplb.Maps{PhysicalToLogical: eplb.MapOf(expertOfSlot)}

	var before, after eplb.Stats
	if err := eplb.ScorePlacement(shape, input, maps, &before); err != nil {
		log.Fatal(err)
	}
	if err := eplb.RebalanceExperts(context.Background(), shape, nil, input, maps, &after); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("balancedness, mean of layers  %.3f before, %.3f after\n", before.Balancedness, after.Balancedness)
	fmt.Printf("balancedness, worst layer     %.3f before, %.3f after\n", before.BalancednessMin, after.BalancednessMin)
	fmt.Println("gpu 0 of layer 0 holds", expertOfSlot[:slots/gpus])
}
