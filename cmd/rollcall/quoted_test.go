package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// docs/troubleshooting.md quotes what the server says: in blocks of text, and in
// the first column of the table of refusals.
func TestTroubleshootingQuotesWhatIsStillSaid(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var quotes []string
	for _, block := range regexp.MustCompile("(?ms)^```text\n(.*?)^```$").FindAllSubmatch(page, -1) {
		quotes = append(quotes, strings.Split(strings.TrimSpace(string(block[1])), "\n")...)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z][^|]*) \\|").FindAllSubmatch(page, -1) {
		for _, span := range regexp.MustCompile("`([a-z]+ [^`]+)`").FindAllSubmatch(row[1], -1) {
			if string(span[1]) != "connection refused" { // the system's words
				quotes = append(quotes, string(span[1]))
			}
		}
	}
	if len(quotes) < 30 {
		t.Fatalf("only %d quotes are found", len(quotes))
	}
	said := strings.Join(literals(t), "\n")
	for _, quote := range quotes {
		for part := range strings.SplitSeq(quote, "…") {
			if part = strings.TrimSpace(strings.Trim(part, " :()")); part != "" && !strings.Contains(said, part) {
				t.Errorf("nothing says %q any more, as docs/troubleshooting.md has it", part)
			}
		}
	}
}

// literals are the strings in the sources of the server and its command.
func literals(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{".", "../../internal"} {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				if l, is := n.(*ast.BasicLit); is && l.Kind == token.STRING {
					if text, err := strconv.Unquote(l.Value); err == nil {
						all = append(all, text)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Commands in the documentation have verbs and flags that docs/cli.md has, which is
// made of the program's own help.
func TestDocumentationNamesVerbsAndFlagsThatThereAre(t *testing.T) {
	reference, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	help := make(map[string]string) // by verb, "events tail"
	for _, section := range strings.Split(string(reference), "\n## rollcall ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		help[name] = text
	}
	command := regexp.MustCompile("(?:^|[`( ]|/)rollcall ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?([^`|\n]*)")
	checked := 0
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(pages, "../../README.md", "../../docs/ui/README.md") {
		if filepath.Base(file) == "cli.md" {
			continue
		}
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code := regexp.MustCompile("(?ms)^```(?:sh|console)\n(.*?)^```$|`([^`\n]+)`").FindAllSubmatch(page, -1)
		for _, c := range code {
			text := strings.ReplaceAll(string(c[1])+string(c[2]), "\\\n", " ")
			for _, m := range command.FindAllStringSubmatch(text, -1) {
				name, rest := m[1], m[2]+m[3]
				if help[name] == "" {
					name, rest = m[1]+" "+m[2], m[3]
				}
				if m[1] == "token" && m[2] == "create" { // the long form of token
					name, rest = "token", m[3]
				}
				checked++
				if m[2] == "" && groups[m[1]] != nil {
					continue // of all its verbs
				}
				if help[name] == "" {
					t.Errorf("%s: rollcall %s %s: there is no such verb", filepath.Base(file), m[1], m[2])
					continue
				}
				rest, _, _ = strings.Cut(rest, "#")
				rest, _, _ = strings.Cut(rest, "$(")
				for _, flag := range regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`).FindAllStringSubmatch(rest, -1) {
					if !strings.Contains(help[name], "  --"+flag[1]+" ") && !strings.Contains(help[name], "  --"+flag[1]+"\n") {
						t.Errorf("%s: rollcall %s has no --%s", filepath.Base(file), name, flag[1])
					}
				}
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d commands are found", checked)
	}
}
