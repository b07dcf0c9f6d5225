// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

import "unsafe"

// A Load is an element of loads: tokens of an expert.
type Load interface {
	~float32 | ~float64 | ~int32 | ~int64
}

// An Index is an element of maps: an expert, a slot, a pack, or a number of them.
type Index interface {
	~int32 | ~int64
}

// Loads is an array of loads that a call reads. The zero value is none.
type Loads struct{ buffer }

// Map is an array of indices that a call writes or reads. The zero value is none: it is not written, or not looked at.
type Map struct{ buffer }

// LoadsOf hands over a slice of loads, without copying. A nil slice is none.
func LoadsOf[T Load](loads []T) Loads {
	kind := typeOfSize(unsafe.Sizeof(T(0)))
	if T(1)/2 != 0 {
		kind -= TypeInt32 - TypeFloat32
	}
	return Loads{buffer{data(loads), len(loads), kind, MemoryHost}}
}

// MapOf hands over a slice of indices, without copying. A nil slice is none.
func MapOf[T Index](indices []T) Map {
	return Map{buffer{data(indices), len(indices), typeOfSize(unsafe.Sizeof(T(0))), MemoryHost}}
}

// CUDALoads hands over loads in memory that the context's CUDA device can address.
func CUDALoads(pointer unsafe.Pointer, count int, kind Type) Loads {
	return Loads{buffer{pointer, count, kind, MemoryCUDA}}
}

// CUDAMap hands over indices in memory that the context's CUDA device can address.
func CUDAMap(pointer unsafe.Pointer, count int, kind Type) Map {
	return Map{buffer{pointer, count, kind, MemoryCUDA}}
}

type buffer struct {
	pointer unsafe.Pointer
	count   int
	kind    Type
	memory  Memory
}

func (b buffer) toC() (*C.char, C.size_t) { return (*C.char)(b.pointer), C.size_t(b.count) }

func typeOfSize(size uintptr) Type {
	if size == 8 {
		return TypeInt64
	}
	return TypeInt32
}

// data is nil only for a nil slice, so that an empty one is a buffer that is too short.
func data[T any](slice []T) unsafe.Pointer { return unsafe.Pointer((*[0]T)(slice)) }

// alike tells the type and memory that all maps have.
func alike(name string, maps ...Map) (Type, Memory, error) {
	var first Map
	for _, m := range maps {
		if m.pointer == nil {
			continue
		}
		if first.pointer == nil {
			first = m
		}
		if m.kind != first.kind || m.memory != first.memory {
			return 0, 0, failure(ErrInvalidArgument, "the arrays of %s differ in type or memory", name)
		}
	}
	return first.indexType(), first.memory, nil
}

// indexType tells the type of a map, the default one if there is none.
func (m Map) indexType() Type {
	if m.pointer == nil {
		return TypeInt32
	}
	return m.kind
}
