// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

// Packing is a packing problem for each row: n items into m packs, exactly n / m items in each. Where a message about a
// load says layer and expert, these are the row and the item.
type Packing struct {
	NumRows    int // X, independent problems.
	NumItems   int // n, a multiple of m. With n = m item i goes to pack i.
	NumPacks   int // m.
	PackIndex  Map // [X][n] pack of each item, written; or none.
	RankInPack Map // [X][n] seat of each item in its pack, heaviest first, written; or none.
}

func (call *call) setPacking(p *Packing, arrays *C.eplb_go_arrays) error {
	kind, memory, err := alike("packing", p.PackIndex, p.RankInPack)
	if err != nil {
		return err
	}
	packing := &call.c.arguments.packing
	packing._type = C.int32_t(kind)
	packing.memory = C.int32_t(memory)
	packing.num_rows = number(p.NumRows)
	packing.num_items = number(p.NumItems)
	packing.num_packs = number(p.NumPacks)
	arrays.pack_index, packing.pack_index_count = p.PackIndex.toC()
	arrays.rank_in_pack, packing.rank_in_pack_count = p.RankInPack.toC()
	return nil
}
