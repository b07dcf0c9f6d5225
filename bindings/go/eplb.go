// SPDX-License-Identifier: MIT

// Package eplb balances the load of experts in Mixture-of-Experts inference over gpus, by way of the C library libeplb.
//
// A layer has E logical experts; the gpus of a deployment together have P >= E slots for them. Given how many tokens
// went to each expert (the load), the library says which experts get more than one slot (replicas), and which slot of
// which gpu holds which expert (the placement), so that the gpu with the most work has as little as possible.
//
// RebalanceExperts plans in one call. A Context plans the same shape again and again without allocating.
//
// Arrays are slices in row-major order, handed over without copying by LoadsOf and MapOf. A call that fails returns an
// *Error and leaves its outputs untouched. The same loads, shape, options and seed give the same maps bit for bit.
package eplb

// #include "call.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// LibraryVersion is the Version of the library that was loaded.
func LibraryVersion() int { return int(C.eplb_version()) }

// BuildInfo is the version and the compiler of the library on one line.
func BuildInfo() string { return C.GoString(C.eplb_build_info()) }

// errTooOld is what calls that plan or judge answer if the library that was loaded is too old.
var errTooOld = checkVersion(LibraryVersion())

func checkVersion(found int) error {
	if found < Version {
		return failure(ErrUnavailable, "the library that was loaded is libeplb %s; this program needs %s or later",
			dotted(found), dotted(Version))
	}
	return nil
}

func dotted(version int) string {
	return fmt.Sprintf("%d.%d.%d", version/10000, version/100%100, version%100)
}

// Strategies are all that the library has.
func Strategies() []Strategy {
	all := make([]Strategy, C.eplb_strategy_count())
	for i := range all {
		all[i] = Strategy(i)
	}
	return all
}

// StrategyFromName finds the strategy of a name such as "lpt-swap-any".
func StrategyFromName(name string) (Strategy, error) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	found := C.eplb_strategy_from_name(text)
	if found < 0 || strings.IndexByte(name, 0) >= 0 {
		return 0, failure(ErrInvalidArgument, "no strategy is named %q", name)
	}
	return Strategy(found), nil
}

// String returns the name of the strategy, as documents and tools write it.
func (s Strategy) String() string {
	if name := C.eplb_strategy_name(C.int32_t(s)); name != nil {
		return C.GoString(name)
	}
	return fmt.Sprintf("Strategy(%d)", int32(s))
}

// Description returns one line about the strategy, and nothing about an unknown one.
func (s Strategy) Description() string { return C.GoString(C.eplb_strategy_description(C.int32_t(s))) }

// Backends are all that the library knows, auto included, available or not.
func Backends() []Backend {
	all := make([]Backend, C.eplb_backend_count())
	for i := range all {
		all[i] = Backend(i)
	}
	return all
}

// String returns the name of the backend: "auto", "cpu", "cuda".
func (b Backend) String() string {
	if name := C.eplb_backend_name(C.int32_t(b)); name != nil {
		return C.GoString(name)
	}
	return fmt.Sprintf("Backend(%d)", int32(b))
}

// Available returns nil if the backend can be used in this process now, otherwise ErrUnavailable and why. Asking about
// CUDA initialises the driver.
func (b Backend) Available() error {
	failed := newError()
	if C.eplb_backend_available(C.int32_t(b), failed) != C.EPLB_SUCCESS {
		return errorFrom(failed)
	}
	return nil
}

// DeviceCount is the number of devices of the backend, 0 if it is not available; the host is one device of the CPU
// backend. Asking about CUDA initialises the driver, as does DescribeDevice.
func (b Backend) DeviceCount() int { return int(C.eplb_device_count(C.int32_t(b))) }

// DescribeDevice returns one line about a device.
func (b Backend) DescribeDevice(device int) (string, error) {
	var text [256]C.char
	failed := newError()
	if C.eplb_device_describe(C.int32_t(b), number(device), &text[0], C.size_t(len(text)), failed) != C.EPLB_SUCCESS {
		return "", errorFrom(failed)
	}
	return C.GoString(&text[0]), nil
}
