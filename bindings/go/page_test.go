// SPDX-License-Identifier: MIT

package eplb_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"eplb"
)

var indentation = regexp.MustCompile(`(?m)^[ \t]+`)

// The code of docs/go.md is that of an example, which is compiled and run.
func TestCodeOfThePage(t *testing.T) {
	var examples string
	for _, pattern := range []string{"example_test.go", "examples/*/*.go"} {
		names, err := filepath.Glob(pattern)
		succeed(t, err)
		for _, name := range names {
			text, err := os.ReadFile(name)
			succeed(t, err)
			examples += indentation.ReplaceAllString(string(text), "")
		}
	}
	page := string(eplb.ReadSource(t, "docs/go.md"))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Error("there is no code")
	}
	for _, block := range blocks {
		if !strings.Contains(examples, indentation.ReplaceAllString(block[1], "")) {
			t.Errorf("not in an example:\n%s", block[1])
		}
	}
}
