package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollcall-rtc/rollcall/internal/server"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestMain(m *testing.M) {
	// The server of a script is in this process, and starts the program that it is in
	// for each recording.
	if len(os.Args) > 1 && os.Args[1] == server.WorkerVerb {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"rollcall": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"claims": claims, "server": scriptedServer, "room": scriptedRoom, "receiver": scriptedReceiver, "eventually": eventually, "sign": signBody,
			"present": present, "recording": recording,
		},
		// Only what a script sets: no setting of the machine's may leak in.
		Setup: func(env *testscript.Env) error {
			env.Vars = []string{"PATH=" + os.Getenv("PATH"), "WORK=" + env.WorkDir, "HOME=" + env.WorkDir}
			return nil
		},
	})
}

// claims [!] key secret valid-for [text...] checks that the last command printed
// a token signed with key and secret that lives as long as said, and that the
// JSON of its claims holds each text.
func claims(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: claims key secret valid-for [text...]")
	}
	c, err := token.Verify(strings.TrimSpace(ts.ReadFile("stdout")), token.Keys{args[0]: args[1]}, time.Now())
	ts.Check(err)
	life, err := time.ParseDuration(args[2])
	ts.Check(err)
	if got := c.ExpiresAt.Sub(c.NotBefore); got != life {
		ts.Fatalf("token lives %s, want %s", got, life)
	}
	c.NotBefore, c.ExpiresAt = time.Time{}, time.Time{}
	body, err := json.Marshal(c)
	ts.Check(err)
	for _, text := range args[3:] {
		if !strings.Contains(string(body), text) {
			ts.Fatalf("claims %s do not hold %s", body, text)
		}
	}
}
