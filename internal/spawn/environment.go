package spawn

import (
	"os"
	"slices"
	"strings"
)

// passed are the variables that a child gets of ours: where programs, files and
// fonts are, language, and what shows how tests covered it. The others may be
// secrets, such as API keys, and children read what strangers send. A name that
// ends with * stands for all that begin so.
var passed = []string{
	"PATH", "LD_LIBRARY_PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "SystemRoot", "LANG", "LANGUAGE", "LC_*", "TZ",
	"SSL_CERT_*", "FONTCONFIG_*", "XDG_*", "GODEBUG", "GOTRACEBACK", "GORACE", "GOCOVERDIR",
}

// Environment is that of a child, with these variables besides.
func Environment(more ...string) []string {
	return append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.ContainsFunc(passed, func(p string) bool {
			begin, many := strings.CutSuffix(p, "*")
			return name == p || many && strings.HasPrefix(name, begin)
		})
	}), more...)
}
