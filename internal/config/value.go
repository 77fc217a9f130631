package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// value is what a key was given: a YAML node, or the text of a variable or flag.
type value struct {
	*source
	node ast.Node
	text string // when node is nil
}

func (v value) where() string { return v.source.where(v.node) }

// maxAliases bounds the chain of aliases behind one value.
const maxAliases = 8

// resolved follows anchors, aliases and tags. It is nil for an alias to
// nothing or to itself.
func (v value) resolved() ast.Node {
	n := v.node
	for range maxAliases {
		switch t := n.(type) {
		case *ast.AnchorNode:
			n = t.Value
		case *ast.TagNode:
			n = t.Value
		case *ast.AliasNode:
			if t.Value == nil || t.Value.GetToken() == nil {
				return nil
			}
			n = v.anchors[t.Value.GetToken().Value]
		default:
			return n
		}
	}
	return nil
}

func (v value) isNull() bool {
	if v.node == nil {
		return false
	}
	_, null := v.resolved().(*ast.NullNode)
	return null
}

// scalar returns the text of any scalar: a secret may look like a number.
func (v value) scalar() (string, bool) {
	if v.node == nil {
		return v.text, true
	}
	switch n := v.resolved().(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		if tok := n.GetToken(); tok != nil {
			return tok.Value, true
		}
	}
	return "", false
}

func (v value) number() (int64, bool) {
	if v.node == nil {
		n, err := strconv.ParseInt(strings.TrimSpace(v.text), 10, 64)
		return n, err == nil
	}
	if n, ok := v.resolved().(*ast.IntegerNode); ok {
		switch i := n.Value.(type) {
		case int64:
			return i, true
		case uint64:
			return int64(min(i, math.MaxInt64)), true
		}
	}
	return 0, false
}

// boolean also reads the words that YAML 1.1 has for it, which existing files use.
func (v value) boolean() (b, ok bool) {
	t, ok := v.scalar()
	switch {
	case !ok:
		return false, false
	case v.node != nil && v.quoted():
		return false, false
	}
	switch strings.ToLower(strings.TrimSpace(t)) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	if v.node == nil && (t == "1" || t == "0") { // customary in the environment
		return t == "1", true
	}
	return false, false
}

func (v value) quoted() bool {
	n, ok := v.resolved().(*ast.StringNode)
	return ok && n.Token != nil && (n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType)
}

// list returns the items of a list; in a variable or flag they have commas
// between them.
func (v value) list() ([]value, bool) {
	if v.node == nil {
		var items []value
		for item := range strings.SplitSeq(v.text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, value{source: v.source, text: item})
			}
		}
		return items, true
	}
	seq, ok := v.resolved().(*ast.SequenceNode)
	if !ok {
		return nil, false
	}
	items := make([]value, 0, len(seq.Values))
	for _, n := range seq.Values {
		items = append(items, value{source: v.source, node: orNull(joined(n))})
	}
	return items, true
}

// joined is the item n of a list, or the text that the parser took for a name and its
// value: in {urls: [http://localhost:3000]} a colon without a space after it is part
// of the text (YAML 1.2 §7.3.3).
func joined(n ast.Node) ast.Node {
	whole, ok := n.(*ast.MappingNode)
	if !ok || whole.IsFlowStyle || len(whole.Values) != 1 || whole.Values[0].Value == nil {
		return n
	}
	m := whole.Values[0]
	key, colon, rest := m.Key.GetToken(), m.Start, m.Value.GetToken()
	if key == nil || colon == nil || rest == nil || key.Type != token.StringType || rest.CharacterType == token.CharacterTypeIndicator {
		return n
	}
	if rest.Position.Line != colon.Position.Line || rest.Position.Column != colon.Position.Column+1 {
		return n
	}
	text := *key
	text.Value += ":" + rest.Value
	return ast.String(&text)
}

// entries calls each for the entries of the mapping at path, with the name of
// each and where that stands. It reports what is no mapping, and duplicate names.
func (v value) entries(path string, each func(name, where string, v value)) {
	if v.node == nil {
		node, ok := v.parse([]byte(v.text))
		if !ok || node == nil {
			return
		}
		v.node = node
	}
	var entries []*ast.MappingValueNode
	switch n := v.resolved().(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	case *ast.NullNode:
	default:
		v.expected(path, "names with values (\"name: value\")")
	}
	seen := make(map[string]string, len(entries))
	for _, e := range entries {
		where := v.source.where(e.Key)
		name, ok := keyName(e.Key)
		if !ok {
			v.problem(where, path, "expected a plain name before the colon")
			continue
		}
		if first, twice := seen[name]; twice {
			v.problem(where, join(path, name), "is given twice; first at %s", strings.TrimPrefix(first, v.name+":"))
			continue
		}
		seen[name] = where
		each(name, where, value{source: v.source, node: orNull(e.Value)})
	}
}

func keyName(k ast.MapKeyNode) (string, bool) {
	switch n := k.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		if tok := n.GetToken(); tok != nil {
			return tok.Value, true
		}
	}
	return "", false
}

// expected reports that v is not what the key takes. It names the kind of v
// and repeats it only where that helps and nothing can be secret: a number.
func (v value) expected(path, what string) {
	v.problem(v.where(), path, "expected %s, not %s", what, v.kind())
}

func (v value) kind() string {
	if v.node == nil {
		return "what it holds"
	}
	switch n := v.resolved().(type) {
	case nil:
		return "an alias to nothing"
	case *ast.NullNode:
		return "nothing"
	case *ast.IntegerNode, *ast.FloatNode:
		return fmt.Sprintf("%.20s", n.GetToken().Value)
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "names with values"
	default:
		return "that"
	}
}

// orNull replaces the parser's missing nodes, so that a nil node always means
// plain text.
func orNull(n ast.Node) ast.Node {
	if n == nil {
		return ast.Null(nil)
	}
	return n
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
