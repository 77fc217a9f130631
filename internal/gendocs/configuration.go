package gendocs

import (
	"bytes"
	"fmt"
	"strings"
)

const configurationHead = `# Configuration

<!-- Written by go test ./internal/gendocs -update from rollcall.yaml. Do not edit. -->

`

// setting is what one comment of rollcall.yaml is about: a key or several, or a
// section.
type setting struct {
	keys    []configKey
	section bool
	text    []string // lines of the comment
	sample  []string // lines of the commented sample below
	block   []string // lines of a default that takes several
}

type configKey struct {
	path, fallback string
}

// Configuration returns docs/configuration.md from rollcall.yaml: each key with its
// default, its environment variable and what is said of it there.
func Configuration(yaml []byte) []byte {
	intro, settings := readConfiguration(string(yaml))
	var b bytes.Buffer
	b.WriteString(configurationHead)
	b.WriteString(prose(intro[1:]))
	if len(settings) > 0 && !settings[0].section {
		b.WriteString("\n## The server\n")
	}
	for _, s := range settings {
		s.write(&b)
	}
	return b.Bytes()
}

func (s *setting) write(b *bytes.Buffer) {
	switch {
	case s.section && !strings.Contains(s.keys[0].path, "."):
		fmt.Fprintf(b, "\n## %s\n\n%s", s.keys[0].path, prose(s.text))
		return
	case s.section:
		return // its keys have their paths
	}
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.path
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n| key | default | environment |\n| --- | --- | --- |\n", strings.Join(names, ", "), prose(s.text))
	for _, k := range s.keys {
		fallback := "below"
		if len(s.block) == 0 {
			fallback = "`" + k.fallback + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | `ROLLCALL_%s` |\n", k.path, fallback, strings.ToUpper(strings.ReplaceAll(k.path, ".", "_")))
	}
	for _, lines := range [][]string{s.block, s.sample} {
		if len(lines) > 0 {
			fmt.Fprintf(b, "\n```yaml\n%s\n```\n", strings.Join(lines, "\n"))
		}
	}
}

// readConfiguration reads the file's own style: comments above keys, two spaces a
// level, samples as comments below the key.
func readConfiguration(yaml string) (intro []string, settings []*setting) {
	head, rest, _ := strings.Cut(yaml, "\n\n")
	for line := range strings.Lines(head) {
		intro = append(intro, uncomment(strings.TrimSuffix(line, "\n")))
	}
	var (
		sections []string // that lead to the line, one for each level
		comment  []string
		last     *setting // that the line before belongs to
		fresh    = true   // no key follows the comment yet
	)
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		text := strings.TrimLeft(line, " ")
		level := (len(line) - len(text)) / 2
		switch {
		case text == "":
			comment, fresh, last = nil, true, nil
		case strings.HasPrefix(line, "#  ") && last != nil:
			last.sample = append(last.sample, strings.TrimPrefix(line, "#"))
		case line == "#" && last != nil:
			last.sample = append(last.sample, "")
		case strings.HasPrefix(text, "#"):
			if !fresh {
				comment, fresh = nil, true
			}
			comment = append(comment, uncomment(text))
		case strings.HasPrefix(text, "- "):
			last.block = append(last.block, line)
		default:
			name, value, _ := strings.Cut(text, ":")
			sections = append(sections[:level:level], name)
			k := configKey{strings.Join(sections, "."), strings.TrimSpace(value)}
			if !fresh && last != nil && !last.section {
				if k.fallback != "" { // else it is a section among them
					last.keys = append(last.keys, k)
				}
				continue
			}
			if !fresh || last != nil && last.section && len(comment) == 0 {
				comment = last.text // the key of a section that was explained
			}
			last = &setting{keys: []configKey{k}, text: comment}
			settings = append(settings, last)
			fresh = false
			// A section has its keys below it, a list its items.
			last.section = k.fallback == ""
		}
	}
	for _, s := range settings {
		if len(s.block) > 0 {
			s.section = false
			s.block = append([]string{strings.Repeat("  ", strings.Count(s.keys[0].path, ".")) + s.keys[0].path[strings.LastIndex(s.keys[0].path, ".")+1:] + ":"}, s.block...)
		}
		s.block, s.sample = dedent(s.block), dedent(s.sample)
	}
	return intro, settings
}

func uncomment(line string) string {
	return strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ")
}

// prose is the comment as Markdown: what is indented in it is a command.
func prose(lines []string) string {
	var b strings.Builder
	inCode := false
	for _, line := range lines {
		code := strings.HasPrefix(line, "  ")
		if code != inCode {
			if code {
				b.WriteString("\n```console\n")
			} else {
				b.WriteString("```\n\n")
			}
		}
		inCode = code
		b.WriteString(strings.TrimPrefix(line, "  ") + "\n")
	}
	if inCode {
		b.WriteString("```\n")
	}
	return strings.TrimLeft(strings.ReplaceAll(b.String(), "\n\n\n", "\n\n"), "\n")
}

// dedent takes the indentation that all lines share away.
func dedent(lines []string) []string {
	least := -1
	for _, line := range lines {
		if n := len(line) - len(strings.TrimLeft(line, " ")); line != "" && (least < 0 || n < least) {
			least = n
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line[min(len(line), max(least, 0)):]
	}
	return out
}
