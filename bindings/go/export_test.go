// SPDX-License-Identifier: MIT

package eplb

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unsafe"
)

// Pointer is the eplb_context.
func (c *Context) Pointer() unsafe.Pointer { return unsafe.Pointer(c.call.c.arguments.context) }

// ReadSource reads a file of the repository.
func ReadSource(t *testing.T, path string) []byte {
	t.Helper()
	root := os.Getenv("EPLB_SOURCE")
	if root == "" {
		root = filepath.Join("..", "..")
	}
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ReadJSON reads a JSON file of the repository.
func ReadJSON(t *testing.T, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(ReadSource(t, path), into); err != nil {
		t.Fatal(path, err)
	}
}
