package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// merge applies sources to a configuration, one after the other.
type merge struct {
	schema   *schema
	cfg      *Config
	set      map[string]string // path of each key that was given: where
	problems Problems
}

// source is one of them: a YAML document, a variable, a flag.
type source struct {
	*merge
	name    string
	anchors map[string]ast.Node
}

func (m *merge) source(name string) *source {
	return &source{merge: m, name: name, anchors: make(map[string]ast.Node)}
}

func (m *merge) problem(where, path, format string, args ...any) {
	m.problems = append(m.problems, Problem{Where: where, Key: path, Text: fmt.Sprintf(format, args...)})
}

// maxSize is far more than any configuration needs.
const maxSize = 1 << 20

// parse returns the one document in body, or a nil node when it is empty.
func (s *source) parse(body []byte) (ast.Node, bool) {
	if len(body) > maxSize {
		s.problem(s.name, "", "is larger than 1 MiB")
		return nil, false
	}
	// Duplicate keys are found by entries, which can name the path.
	file, err := parser.ParseBytes(body, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		s.syntax(err)
		return nil, false
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d == nil || d.Body == nil })
	docs = slices.DeleteFunc(docs, func(d *ast.DocumentNode) bool { return d.Body.Type() == ast.CommentType })
	if len(docs) == 0 {
		return nil, true
	}
	if len(docs) > 1 {
		s.problem(s.where(docs[1].Body), "", "expected one YAML document, found %d", len(docs))
		return nil, false
	}
	ast.Walk(anchorFinder(s.anchors), docs[0].Body)
	return docs[0].Body, true
}

// syntax reports what the parser did not understand, without the lines around
// it, which may hold secrets.
func (s *source) syntax(err error) {
	where, text := s.name, "is not YAML"
	if e, ok := errors.AsType[yaml.Error](err); ok {
		text, _, _ = strings.Cut(e.GetMessage(), "\n")
		if tok := e.GetToken(); tok != nil && tok.Position != nil {
			where = fmt.Sprintf("%s:%d:%d", s.name, tok.Position.Line, tok.Position.Column)
		}
	}
	s.problem(where, "", "is not YAML: %s", text)
}

// document applies a whole YAML document.
func (s *source) document(body []byte) {
	root, ok := s.parse(body)
	if ok && root != nil {
		s.section("", value{source: s, node: root})
	}
}

// section applies the keys below path.
func (s *source) section(path string, v value) {
	v.entries(path, func(name, where string, v value) {
		child := join(path, name)
		inert, leaf := s.schema.inert[child]
		switch {
		case s.schema.setters[child] != nil:
			s.apply(child, v)
		case s.schema.sections[child]:
			s.section(child, v)
		case !leaf && !s.schema.subtrees[child]:
			s.unknown(child, where)
		case v.isNull():
		default:
			if t, ok := v.scalar(); !ok || inert == "" || t != inert {
				s.unsupported(child, where)
			}
		}
	})
}

func (s *source) unsupported(path, where string) {
	s.cfg.Unsupported = append(s.cfg.Unsupported, fmt.Sprintf("%s (%s)", path, where))
}

func (s *source) unknown(path, where string) {
	if meant := s.schema.suggest(path); meant != "" {
		s.problem(where, path, "is no key of the configuration; did you mean %s?", meant)
		return
	}
	s.problem(where, path, "is no key of the configuration")
}

// apply sets a supported key.
func (s *source) apply(path string, v value) {
	if v.isNull() {
		return // "key:" with nothing behind it keeps the default
	}
	s.set[path] = v.where()
	s.schema.setters[path](s, path, v)
}

func (s *source) where(n ast.Node) string {
	if n == nil {
		return s.name
	}
	// A block mapping's own token is its first colon; its first key is nearer.
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if tok := n.GetToken(); tok != nil && tok.Position != nil {
		return fmt.Sprintf("%s:%d:%d", s.name, tok.Position.Line, tok.Position.Column)
	}
	return s.name
}

type anchorFinder map[string]ast.Node

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil && a.Name.GetToken() != nil {
		f[a.Name.GetToken().Value] = a.Value
	}
	return f
}
