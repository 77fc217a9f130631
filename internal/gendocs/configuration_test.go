package gendocs

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func rollcallYAML(t *testing.T) []byte {
	t.Helper()
	body, err := os.ReadFile("../../rollcall.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestConfigurationReferenceIsWhatTheFileSays(t *testing.T) {
	const file = "../../docs/configuration.md"
	want := Configuration(rollcallYAML(t))
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/configuration.md is not what rollcall.yaml says: go test ./internal/gendocs -update")
	}
}

// A YAML parser finds the same keys, and the same defaults.
func TestConfigurationReferenceHasEveryKeyWithItsDefault(t *testing.T) {
	var tree yaml.MapSlice
	body := rollcallYAML(t)
	if err := yaml.UnmarshalWithOptions(body, &tree, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	flatten("", tree, want)
	got := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\| (below|`(.*)`) \\| `(ROLLCALL_[A-Z0-9_]+)` \\|$").FindAllStringSubmatch(string(Configuration(body)), -1) {
		if m[4] != "ROLLCALL_"+strings.ToUpper(strings.ReplaceAll(m[1], ".", "_")) {
			t.Errorf("%s has the variable %s", m[1], m[4])
		}
		if m[2] == "below" {
			got[m[1]] = "list"
			continue
		}
		var v any
		if err := yaml.Unmarshal([]byte(m[3]), &v); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		got[m[1]] = fmt.Sprint(v)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-file +reference):\n%s", diff)
	}
	if len(want) < 60 {
		t.Errorf("only %d keys", len(want))
	}
}

// flatten collects the leaves of a document: their paths and values.
func flatten(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case yaml.MapSlice:
		if len(v) > 0 {
			for _, item := range v {
				flatten(strings.TrimPrefix(path+"."+item.Key.(string), "."), item.Value, into)
			}
			return
		}
		into[path] = "map[]"
	case []any:
		if len(v) > 0 {
			if _, objects := v[0].(yaml.MapSlice); objects {
				into[path] = "list"
				return
			}
		}
		into[path] = fmt.Sprint(v)
	default:
		into[path] = fmt.Sprint(v)
	}
}

func TestCommentsGoToWhatTheyAreAbout(t *testing.T) {
	const file = `# All of it.
#
#   a command
#
# And more.

# The port.
port: 1

# Two of them,
# on two lines.
low: 2
high: 3
#  sample: {a: b}
#
#    c: d

# A section.
rtc:
  # Below it.
  tcp: ""

  nested:
    # The first.
    list:
      - a: 1
      - a: 2 # why
    # The second.
    other: []
`
	const want = configurationHead + "```console\na command\n```\n\nAnd more.\n" +
		"\n## The server\n\n### port\n\nThe port.\n\n| key | default | environment |\n| --- | --- | --- |\n| `port` | `1` | `ROLLCALL_PORT` |\n" +
		"\n### low, high\n\nTwo of them,\non two lines.\n\n| key | default | environment |\n| --- | --- | --- |\n| `low` | `2` | `ROLLCALL_LOW` |\n| `high` | `3` | `ROLLCALL_HIGH` |\n" +
		"\n```yaml\nsample: {a: b}\n\n  c: d\n```\n" +
		"\n## rtc\n\nA section.\n" +
		"\n### rtc.tcp\n\nBelow it.\n\n| key | default | environment |\n| --- | --- | --- |\n| `rtc.tcp` | `\"\"` | `ROLLCALL_RTC_TCP` |\n" +
		"\n### rtc.nested.list\n\nThe first.\n\n| key | default | environment |\n| --- | --- | --- |\n| `rtc.nested.list` | below | `ROLLCALL_RTC_NESTED_LIST` |\n\n```yaml\nlist:\n  - a: 1\n  - a: 2 # why\n```\n" +
		"\n### rtc.nested.other\n\nThe second.\n\n| key | default | environment |\n| --- | --- | --- |\n| `rtc.nested.other` | `[]` | `ROLLCALL_RTC_NESTED_OTHER` |\n"
	if diff := cmp.Diff(want, string(Configuration([]byte(file)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
