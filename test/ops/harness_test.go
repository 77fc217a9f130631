package ops

import (
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/server"
	"github.com/rollcall-rtc/rollcall/internal/testkit/serving"
)

const key, secret = "testkey", "a-secret-that-is-long-enough-for-hs256"

// root is the repository.
const root = "../.."

// start runs a server on this machine, on free ports or the one given.
func start(t *testing.T, extra string, port ...int) *server.Server {
	t.Helper()
	port = append(port, 0)
	return serving.Run(t, serving.Options{Key: key, Secret: secret, Version: "v0.0.0-test", Port: port[0], YAML: []string{extra}})
}
