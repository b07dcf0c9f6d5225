// SPDX-License-Identifier: MIT

package eplb

import (
	"errors"
	"strings"
	"testing"
)

func TestLibraryThatIsTooOld(t *testing.T) {
	for _, found := range []int{Version, Version + 1, 99999} {
		if err := checkVersion(found); err != nil {
			t.Error(found, err)
		}
	}
	err := checkVersion(Version - 1)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "needs "+dotted(Version)) {
		t.Error(err)
	}
	before := errTooOld
	defer func() { errTooOld = before }()
	errTooOld = err
	if _, err := NewContext(Shape{}, nil); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
