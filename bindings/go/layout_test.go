// SPDX-License-Identifier: MIT

package eplb

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unsafe"
)

// header is the names in the C header.
type header struct {
	Functions []struct{ Name string }
	Callbacks []struct{ Name string }
	Structs   map[string]struct{ Fields map[string]any }
}

func readHeader(t *testing.T) (h header) {
	ReadJSON(t, "tests/abi/layout.json", &h)
	return h
}

// setByInit are fields that no binding has a value for: the init functions of the header write them.
var setByInit = map[string]bool{"struct_size": true, "reserved": true}

// uses are names of the header in what is written by hand: C.eplb_poll, and "input.seed", a field of a variable that is
// called as its struct.
type uses map[string]bool

func readUses(t *testing.T) uses {
	u := uses{}
	packages, err := parser.ParseDir(token.NewFileSet(), ".", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range packages["eplb"].Files {
		if !strings.HasSuffix(name, "_test.go") {
			ast.Inspect(file, u.inspect)
		}
	}
	for _, name := range []string{"call.h", "call.c"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range regexp.MustCompile(`\beplb_\w+`).FindAllString(string(text), -1) {
			u["C."+use] = true
		}
	}
	return u
}

func (u uses) inspect(node ast.Node) bool {
	selector, ok := node.(*ast.SelectorExpr)
	if !ok {
		return true
	}
	name := strings.TrimPrefix(selector.Sel.Name, "_") // which cgo gives to `type`
	switch of := selector.X.(type) {
	case *ast.Ident:
		u[of.Name+"."+name] = true
	case *ast.SelectorExpr:
		u[of.Sel.Name+"."+name] = true
	}
	return true
}

// missing tells what of the header the package has no use for. Functions are called, or made by way of call.do.
func (u uses) missing(h header) (out []string) {
	for _, f := range h.Functions {
		name := strings.TrimPrefix(f.Name, "eplb_")
		isInit := strings.HasSuffix(name, "_init") // eplb_go_init calls all
		if !isInit && !u["C."+f.Name] && !u["C.EPLB_GO_"+strings.ToUpper(name)] {
			out = append(out, f.Name)
		}
	}
	for _, callback := range h.Callbacks {
		if !u["C."+callback.Name] {
			out = append(out, callback.Name)
		}
	}
	for name, of := range h.Structs {
		for field := range of.Fields {
			used := u[strings.TrimPrefix(name, "eplb_")+"."+field] || u["arrays."+field]
			if !used && !setByInit[field] {
				out = append(out, name+"."+field)
			}
		}
	}
	return out
}

func TestEverythingOfTheHeaderIsUsed(t *testing.T) {
	if missing := readUses(t).missing(readHeader(t)); len(missing) > 0 {
		t.Error("not used: ", missing)
	}
}

// The test above would be of no use if it did not notice what is new.
func TestWhatIsNewInTheHeaderIsNoticed(t *testing.T) {
	u := readUses(t)
	named := struct{ Name string }{"eplb_new_fn"}
	for want, add := range map[string]func(h *header){
		"eplb_new_fn":   func(h *header) { h.Functions = append(h.Functions, named) },
		"eplb_new_fn ":  func(h *header) { h.Callbacks = append(h.Callbacks, named) },
		"eplb_maps.new": func(h *header) { h.Structs["eplb_maps"].Fields["new"] = nil },
	} {
		h := readHeader(t)
		before := len(u.missing(h))
		add(&h)
		if got := u.missing(h); len(got) != before+1 {
			t.Errorf("%s is not noticed", want)
		}
	}
}

// Each field of the Go structs changes what the library gets.
func TestEveryFieldArrives(t *testing.T) {
	for _, whole := range []any{&Options{}, &Shape{}, &Input{}, &Maps{}, &Packing{}, &Stats{}} {
		of := reflect.TypeOf(whole).Elem()
		for i := 0; i < of.NumField(); i++ {
			if of == reflect.TypeOf(Stats{}) && of.Field(i).Type.Kind() != reflect.Slice {
				continue // written by the library
			}
			one := reflect.New(of)
			fill(t, one.Elem().Field(i))
			if given(t, one.Interface()) == given(t, whole) {
				t.Errorf("%s.%s does not arrive", of.Name(), of.Field(i).Name)
			}
		}
	}
}

// fill sets a field to something else than its zero value and its default.
func fill(t *testing.T, field reflect.Value) {
	switch field.Interface().(type) {
	case Loads:
		field.Set(reflect.ValueOf(LoadsOf([]float64{1})))
		return
	case Map:
		field.Set(reflect.ValueOf(MapOf([]int64{1})))
		return
	case Limit:
		field.Set(reflect.ValueOf(AtMost(0)))
		return
	}
	switch field.Kind() {
	case reflect.Int, reflect.Int32:
		field.SetInt(7)
	case reflect.Uint64:
		field.SetUint(7)
	case reflect.Float32:
		field.SetFloat(7)
	case reflect.Slice:
		field.Set(reflect.MakeSlice(field.Type(), 1, 1))
	case reflect.Func:
		field.Set(reflect.MakeFunc(field.Type(), nil))
	case reflect.UnsafePointer:
		call, err := newCall(nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(call.free)
		field.SetPointer(unsafe.Pointer(call.c)) // some memory that is not Go's
	default:
		t.Fatalf("no value for a field of %s", field.Type())
	}
}

// given tells the C structs that a Go struct becomes, without pointers to themselves.
func given(t *testing.T, whole any) string {
	options, a := &Options{}, arguments{}
	switch of := whole.(type) {
	case *Options:
		options = of
	case *Shape:
		a.shape = *of
	case *Input:
		a.input = *of
	case *Maps:
		a.maps = *of
	case *Packing:
		a.packing = *of
	case *Stats:
		a.stats = of
	}
	call, err := newCall(options)
	if err != nil {
		t.Fatal(err)
	}
	defer call.free()
	if _, err := call.setArguments(&a); err != nil {
		t.Fatal(err)
	}
	structs := call.c.arguments
	structs.options.user = nil
	structs.wants_stats = 0
	return fmt.Sprintf("%v", structs)
}
