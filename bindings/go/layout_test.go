// SPDX-License-Identifier: MIT

//go:build !race

// The race detector has nothing to see here, and go/types takes long to build for it.

package eplb

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unsafe"
)

type layoutNamed struct{ Name string }

type layoutField struct{ Offset, Size uintptr }

type layoutStruct struct {
	Size   uintptr
	Fields map[string]layoutField
}

// layout is the C header as numbers.
type layout struct {
	Functions []layoutNamed
	Callbacks []layoutNamed
	Constants map[string]int64
	Structs   map[string]layoutStruct
}

func readLayout(t *testing.T) layout {
	var l layout
	ReadJSON(t, "tests/abi/layout.json", &l)
	return l
}

// setByInit are fields that no binding has a value for: the init functions of the header write them.
var setByInit = map[string]bool{"struct_size": true, "reserved": true}

// sources are what the package is made of.
type sources struct {
	// Names of the header such as "eplb_poll", and "input.seed": a field of a variable that is called as its struct.
	uses      map[string]bool
	constants map[string]int64 // Those of constants.go.
}

func readSources(t *testing.T) sources {
	s := sources{map[string]bool{}, map[string]int64{}}
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, ".", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range packages["eplb"].Files {
		if !strings.HasSuffix(name, "_test.go") {
			ast.Inspect(file, s.inspect)
		}
	}
	for _, name := range []string{"call.c", "call.h"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(text), "")
		for _, use := range regexp.MustCompile(`\beplb_\w+`).FindAllString(code, -1) {
			s.uses[use] = true
		}
		for _, use := range regexp.MustCompile(`\b(\w+)(?:\.|->)(\w+)`).FindAllStringSubmatch(code, -1) {
			s.uses[use[1]+"."+use[2]] = true
		}
	}
	checked, err := new(types.Config).Check("eplb", files, []*ast.File{packages["eplb"].Files["constants.go"]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range checked.Scope().Names() {
		if object, ok := checked.Scope().Lookup(name).(*types.Const); ok {
			s.constants[name], _ = constant.Int64Val(object.Val())
		}
	}
	return s
}

func (s *sources) inspect(node ast.Node) bool {
	selector, ok := node.(*ast.SelectorExpr)
	if !ok {
		return true
	}
	name := strings.TrimPrefix(selector.Sel.Name, "_") // which cgo gives to `type`
	switch of := selector.X.(type) {
	case *ast.Ident:
		if of.Name == "C" {
			s.uses[name] = true
		}
		s.uses[of.Name+"."+name] = true
	case *ast.SelectorExpr:
		s.uses[of.Sel.Name+"."+name] = true
	}
	return true
}

// differences tells what of the header the package lacks or has otherwise.
func (s *sources) differences(l layout) (out []string) {
	complain := func(format string, values ...any) { out = append(out, fmt.Sprintf(format, values...)) }
	for _, named := range append(l.Functions, l.Callbacks...) {
		if !s.uses[named.Name] {
			complain("%s is not used", named.Name)
		}
	}
	ours := map[string]string{}
	for name := range s.constants {
		ours[plain(name)] = name
	}
	for name, want := range l.Constants {
		if our, ok := ours[plain(name)]; !ok {
			complain("constant %s is missing", name)
		} else if value := s.constants[our]; value != want {
			complain("%s is %d; it is %d in the header", our, value, want)
		}
		delete(ours, plain(name))
	}
	for _, our := range ours {
		complain("%s is %d; it is not in the header", our, s.constants[our])
	}
	for name, want := range l.Structs {
		short := strings.TrimPrefix(name, "eplb_")
		for field := range want.Fields {
			if !setByInit[field] && !s.uses[short+"."+field] {
				complain("%s.%s is not used", name, field)
			}
		}
		if seen, ok := reflect.TypeOf(call{}.c).Elem().FieldByName(short); !ok {
			complain("struct %s is missing", name)
		} else if got := seenByCgo(seen.Type); !reflect.DeepEqual(got, want) {
			complain("%s is %v; it is %v in the header", name, got, want)
		}
	}
	return out
}

// plain makes StrategyLPT and EPLB_STRATEGY_LPT the same.
func plain(name string) string {
	name = strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(name, "EPLB_"), "_", ""))
	return strings.Replace(name, "ERROR", "ERR", 1)
}

func seenByCgo(of reflect.Type) layoutStruct {
	out := layoutStruct{of.Size(), map[string]layoutField{}}
	for i := 0; i < of.NumField(); i++ {
		field := of.Field(i)
		out.Fields[strings.TrimPrefix(field.Name, "_")] = layoutField{field.Offset, field.Type.Size()}
	}
	return out
}

func TestEverythingOfTheHeaderIsHere(t *testing.T) {
	s := readSources(t)
	for _, difference := range s.differences(readLayout(t)) {
		t.Error(difference)
	}
}

// The test above would be of no use if it did not notice what is new.
func TestWhatIsNewInTheHeaderIsNoticed(t *testing.T) {
	s := readSources(t)
	for _, change := range []struct {
		apply func(l *layout)
		want  string
	}{
		{func(l *layout) { l.Functions = append(l.Functions, layoutNamed{"eplb_new"}) }, "eplb_new is not used"},
		{func(l *layout) { l.Callbacks = append(l.Callbacks, layoutNamed{"eplb_new_fn"}) }, "eplb_new_fn is not used"},
		{func(l *layout) { l.Constants["EPLB_STRATEGY_NEW"] = 10 }, "EPLB_STRATEGY_NEW is missing"},
		{func(l *layout) { l.Constants["EPLB_STRATEGY_LPT"] = 10 }, "StrategyLPT is 1; it is 10"},
		{func(l *layout) { delete(l.Constants, "EPLB_STRATEGY_LPT") }, "StrategyLPT is 1; it is not in the header"},
		{func(l *layout) { l.Structs["eplb_new"] = layoutStruct{} }, "struct eplb_new is missing"},
		{func(l *layout) { l.Structs["eplb_maps"] = layoutStruct{} }, "eplb_maps is {80"},
		{func(l *layout) { l.Structs["eplb_maps"].Fields["seed"] = layoutField{80, 4} }, "eplb_maps.seed is not used"},
		{func(l *layout) { l.Structs["eplb_maps"].Fields["seed"] = layoutField{80, 4} }, "eplb_maps is {80"},
		{func(l *layout) { l.Structs["eplb_maps"].Fields["type"] = layoutField{8, 4} }, "eplb_maps is {80"},
		{func(l *layout) { l.Structs["eplb_maps"].Fields["type"] = layoutField{4, 8} }, "eplb_maps is {80"},
		{func(l *layout) { delete(l.Structs["eplb_maps"].Fields, "type") }, "eplb_maps is {80"},
	} {
		l := readLayout(t)
		change.apply(&l)
		if got := strings.Join(s.differences(l), "\n"); !strings.Contains(got, change.want) {
			t.Errorf("instead of %q: %q", change.want, got)
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
	if err := call.setArguments(&a); err != nil {
		t.Fatal(err)
	}
	structs := *call.c
	structs.options.user = nil
	structs.listener, structs.wants_stats = 0, 0
	return fmt.Sprintf("%v", structs)
}
