package ingress

import (
	"flag"
	"os"
	"testing"
)

// Tests wait for streams that take their time: more of them run than there are
// processors.
func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		_ = flag.Set("test.parallel", "4")
	}
	os.Exit(m.Run())
}
