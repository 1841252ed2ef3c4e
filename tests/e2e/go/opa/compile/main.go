// Command compile says what OPA finds wrong with sets of modules, one set a line, as `opa check --strict` would: the
// differential tests ask it about thousands of them in one process.
//
// In: {"v0": bool, "modules": ["package a …", …]}. Out, in the same order: {"strict": [...], "plain": [...]}, each a list
// of {"code", "message", "module", "row", "col"}; both empty for what OPA compiles.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

type set struct {
	V0      bool     `json:"v0"`
	Modules []string `json:"modules"`
}

type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Module  string `json:"module"`
	Row     int    `json:"row"`
	Col     int    `json:"col"`
}

type answer struct {
	Strict []problem `json:"strict"`
	Plain  []problem `json:"plain"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked set
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fail(err)
		}
		if err := out.Encode(answer{compile(asked, true), compile(asked, false)}); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func compile(asked set, strict bool) []problem {
	problems := []problem{}
	modules := map[string]*ast.Module{}
	options := ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1}
	if asked.V0 {
		options.RegoVersion = ast.RegoV0
	}
	for i, text := range asked.Modules {
		name := strconv.Itoa(i)
		module, err := ast.ParseModuleWithOpts(name, text, options)
		if err != nil {
			problems = append(problems, told(name, err)...)
		} else if module == nil {
			problems = append(problems, problem{Code: ast.ParseErr, Message: "empty module", Module: name})
		} else {
			modules[name] = module
		}
	}
	if len(problems) > 0 {
		return problems
	}
	compiler := ast.NewCompiler().
		WithEnablePrintStatements(true).
		WithStrict(strict).
		WithUseTypeCheckAnnotations(true).
		WithDefaultRegoVersion(options.RegoVersion).
		SetErrorLimit(0)
	compiler.Compile(modules)
	if compiler.Failed() {
		problems = append(problems, told("", compiler.Errors)...)
	}
	return problems
}

func told(module string, err error) []problem {
	var list ast.Errors
	if !errors.As(err, &list) {
		return []problem{{Code: "other", Message: err.Error(), Module: module}}
	}
	problems := []problem{}
	for _, one := range list {
		p := problem{Code: one.Code, Message: one.Message, Module: module}
		if one.Location != nil {
			p.Module, p.Row, p.Col = one.Location.File, one.Location.Row, one.Location.Col
		}
		problems = append(problems, p)
	}
	return problems
}
