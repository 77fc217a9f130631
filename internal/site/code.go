package site

import (
	"html"
	"regexp"
	"strings"
	"sync"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// codeRenderer writes blocks of code with comments, strings and keywords marked: what
// helps to read a sample, for the dozen languages of these pages. A library that
// knows hundreds of them would be a tenth of the server.
type codeRenderer struct{}

// RegisterFuncs implements goldmark's renderer.NodeRenderer.
func (c codeRenderer) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, c.render)
	r.Register(ast.KindCodeBlock, c.render)
}

func (codeRenderer) render(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if f, is := n.(*ast.FencedCodeBlock); is {
		language = string(f.Language(source))
	}
	_, _ = w.WriteString(`<div class="code"><pre tabindex="0"><code>`)
	_, _ = w.WriteString(highlight(language, string(n.Lines().Value(source))))
	_, _ = w.WriteString("</code></pre></div>\n")
	return ast.WalkSkipChildren, nil
}

// A syntax has three groups: comments, strings, keywords.
var syntaxes = sync.OnceValue(func() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"go":     syntax(cComment, cString+"|`[^`]*`", "break|case|chan|const|continue|default|defer|else|for|func|go|if|import|interface|map|package|range|return|select|struct|switch|type|var"),
		"js":     syntax(cComment, cString+"|`[^`]*`", "as|async|await|break|case|catch|class|const|continue|default|else|export|extends|false|finally|for|from|function|if|import|in|interface|let|new|null|of|return|switch|throw|true|try|type|undefined|var|while"),
		"java":   syntax(cComment, cString, "break|case|catch|class|else|extends|final|finally|for|if|implements|import|new|null|package|private|public|return|static|switch|this|throw|throws|try|var|void|while"),
		"rust":   syntax(cComment, `"(?:\\.|[^"\\])*"`, "as|async|await|else|enum|fn|for|if|impl|in|let|loop|match|mod|move|mut|pub|return|self|struct|true|false|use|while"),
		"swift":  syntax(cComment, cString, "as|case|class|do|catch|else|enum|extension|false|for|func|guard|if|import|in|init|let|nil|private|return|self|some|static|struct|switch|throw|throws|true|try|await|async|var|while"),
		"kotlin": syntax(cComment, cString, "as|by|class|else|false|for|fun|if|import|in|is|null|object|override|package|private|return|this|true|try|catch|val|var|when|while|suspend"),
		"dart":   syntax(cComment, cString, "as|async|await|class|const|else|extends|false|final|for|if|import|in|late|new|null|override|return|static|super|this|true|try|catch|finally|var|void|while|with"),
		"python": syntax(`#[^\n]*`, `"""[\s\S]*?"""|`+cString, "and|as|async|await|class|def|elif|else|except|False|for|from|if|import|in|is|None|not|or|pass|raise|return|True|try|while|with|yield"),
		"sh":     syntax(`(?:^|\s)#[^\n]*`, `"(?:\\.|[^"\\])*"|'[^']*'`, "do|done|else|export|fi|for|if|in|then|until|while"),
		"yaml":   syntax(`(?:^|\s)#[^\n]*`, cString, `(?:[a-z_]+):`),
		"json":   syntax(`[^\s\S]`, `"(?:\\.|[^"\\])*"\s*:`, "true|false|null"),
		"xml":    syntax(`<!--[\s\S]*?-->`, cString, `</?[a-zA-Z:.-]+`),
	}
})

// aliases are other names of languages.
var aliases = map[string]string{
	"bash": "sh", "console": "sh", "shell": "sh", "jsx": "js", "javascript": "js", "mjs": "js", "ts": "js", "tsx": "js", "typescript": "js",
	"kt": "kotlin", "rs": "rust", "py": "python", "html": "xml",
}

const (
	cComment = `//[^\n]*|/\*[\s\S]*?\*/`
	cString  = `"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`
)

func syntax(comment, quoted, keyword string) *regexp.Regexp {
	if keyword[0] != '(' && keyword[0] != '<' {
		keyword = `\b(?:` + keyword + `)\b`
	}
	return regexp.MustCompile(`(?m)(` + comment + `)|(` + quoted + `)|(` + keyword + `)`)
}

var classes = []string{"c", "s", "k"}

// highlight returns code as HTML.
func highlight(language, code string) string {
	if name, is := aliases[language]; is {
		language = name
	}
	s := syntaxes()[language]
	if s == nil {
		return html.EscapeString(code)
	}
	var b strings.Builder
	last := 0
	for _, m := range s.FindAllStringSubmatchIndex(code, -1) {
		b.WriteString(html.EscapeString(code[last:m[0]]))
		for i, class := range classes {
			if m[2+2*i] >= 0 {
				b.WriteString(`<span class="` + class + `">` + html.EscapeString(code[m[0]:m[1]]) + `</span>`)
				break
			}
		}
		last = m[1]
	}
	b.WriteString(html.EscapeString(code[last:]))
	return b.String()
}
