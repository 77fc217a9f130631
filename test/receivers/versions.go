package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

// The versions in the table are those of the lock files, so that it tells what
// was run.

func goVersion(module string) func() (string, error) {
	return match("test/receivers/go/go.mod", `(?m)^\s*(?:require )?`+regexp.QuoteMeta(module)+` (v\S+)`)
}

func pipVersion(name string) func() (string, error) {
	return match("test/receivers/python/requirements.txt", `(?m)^`+regexp.QuoteMeta(name)+`==(\S+)`)
}

func cargoVersion(name string) func() (string, error) {
	return match("test/receivers/rust/Cargo.lock", `name = "`+regexp.QuoteMeta(name)+`"\nversion = "([^"]+)"`)
}

func pomVersion(property string) func() (string, error) {
	property = regexp.QuoteMeta(property)
	return match("test/receivers/jvm/pom.xml", `<`+property+`>([^<]+)</`+property+`>`)
}

func npmVersion(name string) func() (string, error) {
	return func() (string, error) {
		const path = "test/receivers/node/package-lock.json"
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		var lock struct {
			Packages map[string]struct{ Version string }
		}
		if err := json.Unmarshal(raw, &lock); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if v := lock.Packages["node_modules/"+name].Version; v != "" {
			return v, nil
		}
		return "", fmt.Errorf("%s: no version of %s", path, name)
	}
}

// match finds a version in a file by the first group of an expression.
func match(path, expression string) func() (string, error) {
	find := regexp.MustCompile(expression)
	return func() (string, error) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		m := find.FindSubmatch(raw)
		if m == nil {
			return "", fmt.Errorf("%s: nothing matches %s", path, find)
		}
		return string(m[1]), nil
	}
}
