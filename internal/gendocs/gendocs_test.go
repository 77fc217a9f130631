package gendocs

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rollcall-rtc/rollcall/event"
)

var update = flag.Bool("update", false, "write the documents")

// fieldDocs reads the comments of package event's details.
func fieldDocs(t *testing.T) FieldDocs {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../event/detail.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := FieldDocs{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					docs[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
		}
		return true
	})
	if len(docs) == 0 {
		t.Fatal("event/detail.go has no details")
	}
	return docs
}

func TestDocumentsAreThoseOfTheCatalogue(t *testing.T) {
	for name, want := range map[string][]byte{
		"events.md":                 Markdown(fieldDocs(t)),
		"schema/events.schema.json": Schema(false),
		"asyncapi.yaml":             AsyncAPI(),
	} {
		file := filepath.Join("../../docs", name)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("docs/%s is not what the catalogue says: go test ./internal/gendocs -update", name)
		}
	}
}

func compile(t *testing.T, raw []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func decode(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

func TestGoldenBodiesAreAsTheSchemaSays(t *testing.T) {
	loose, strict := compile(t, Schema(false)), compile(t, Schema(true))
	for _, d := range event.Catalogue() {
		raw, err := os.ReadFile(filepath.Join("../../event/testdata/golden", string(d.Name)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string][]byte{"golden": raw, "example": []byte(example(d.Name))} {
			if err := strict.Validate(decode(t, body)); err != nil {
				t.Errorf("%s body of %s: %v", name, d.Name, err)
			}
		}
		// Without a part of its payload it is none, with something new it still is.
		for _, field := range append(payload(d.Scope), "id") {
			body := decode(t, raw)
			delete(body, field)
			if loose.Validate(body) == nil {
				t.Errorf("%s without %s validates", d.Name, field)
			}
		}
		body := decode(t, raw)
		body["new"] = "field"
		if err := loose.Validate(body); err != nil {
			t.Errorf("%s with a new field: %v", d.Name, err)
		}
		if d.Detail != nil {
			body := decode(t, raw)
			detail := body["rollcall"].(map[string]any)
			for _, key := range slices.Sorted(maps.Keys(detail)) {
				detail[key] = []any{1}
				break
			}
			if loose.Validate(body) == nil {
				t.Errorf("%s with a wrong detail validates", d.Name)
			}
		}
	}
	if err := loose.Validate(map[string]any{"event": "of_tomorrow", "id": "x", "createdAt": "1"}); err != nil {
		t.Errorf("an event that is not known yet: %v", err)
	}
	if loose.Validate(map[string]any{"event": "of_tomorrow", "id": "x", "createdAt": json.Number("1")}) == nil {
		t.Error("a createdAt that is no string validates")
	}
}

func TestAsyncAPIIsYAMLAndRefersToWhatIsThere(t *testing.T) {
	var doc struct {
		Asyncapi   string
		Channels   map[string]struct{ Messages map[string]map[string]string }
		Components struct {
			Messages map[string]struct {
				Examples []struct{ Payload map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(AsyncAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Asyncapi != "3.0.0" {
		t.Errorf("asyncapi %q", doc.Asyncapi)
	}
	channel := slices.Sorted(maps.Keys(doc.Channels["endpoint"].Messages))
	if messages := slices.Sorted(maps.Keys(doc.Components.Messages)); !reflect.DeepEqual(channel, messages) || len(messages) != len(event.Catalogue()) {
		t.Errorf("channel %v\nmessages %v", channel, messages)
	}
	for name, m := range doc.Components.Messages {
		if len(m.Examples) != 1 || m.Examples[0].Payload["event"] != name {
			t.Errorf("%s: examples %v", name, m.Examples)
		}
	}
}

func TestEveryFieldOfADetailIsExplainedOrPlain(t *testing.T) {
	docs := fieldDocs(t)
	for _, d := range event.Catalogue() {
		if d.Detail == nil {
			continue
		}
		for _, f := range detailFields(reflect.TypeOf(d.Detail).Elem()) {
			if _, ok := docs[reflect.TypeOf(d.Detail).Elem().Name()+"."+f.goName]; !ok || f.name == "" {
				t.Errorf("%s: field %s is not in event/detail.go, or has no name in JSON", d.Name, f.goName)
			}
		}
	}
}
