package egress

import (
	"os"
	"slices"
	"strings"
)

// passed are the variables that a worker gets of the server's: where programs, files
// and fonts are, language, and what shows how tests covered it. The others may be
// secrets, such as API keys, and the programs that a worker starts read what
// strangers send. A name that ends with * stands for all that begin so.
var passed = []string{
	"PATH", "LD_LIBRARY_PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "SystemRoot", "LANG", "LANGUAGE", "LC_*", "TZ",
	"SSL_CERT_*", "FONTCONFIG_*", "XDG_*", "GODEBUG", "GOTRACEBACK", "GORACE", "GOCOVERDIR",
}

// environment is that of a worker, of all that there is.
func environment(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.ContainsFunc(passed, func(p string) bool {
			begin, many := strings.CutSuffix(p, "*")
			return name == p || many && strings.HasPrefix(name, begin)
		})
	})
}

// workerEnvironment is that of a worker of this server.
func workerEnvironment() []string {
	return append(environment(os.Environ()), "GOMAXPROCS=1", "GOMEMLIMIT=64MiB")
}
