package client_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
)

// The bot in the README is built and run as it is printed there.
func TestBotOfTheReadmeRunsAsPrinted(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(readme, []byte("```go\n// bot.go"))
	program, _, ended := bytes.Cut(rest, []byte("\n```"))
	if !found || !ended {
		t.Fatal("no bot in README.md")
	}
	dir := t.TempDir()
	file, bot := filepath.Join(dir, "bot.go"), filepath.Join(dir, "bot")
	if err := os.WriteFile(file, append([]byte("// bot.go"), program...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", bot, file).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s := anySite(t)
	record, on := recording(t)
	alice := s.join("alice", on)
	var said bytes.Buffer
	cmd := exec.CommandContext(s.context(), bot)
	cmd.Env = append(os.Environ(), "LIVEKIT_URL="+s.url, "TOKEN="+s.token("bot"))
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if e := next[client.ParticipantConnected](record); e.Participant.Identity() != "bot" {
		t.Errorf("%s came", e.Participant.Identity())
	}
	// It hears what is said once it listens.
	ctx := s.context()
	for answered := false; !answered; {
		if err := alice.Local().PublishData(s.context(), []byte("echo?"), client.DataOptions{Topic: "chat"}); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-record.events:
			d, is := e.(client.DataReceived)
			answered = is && string(d.Payload) == "you said echo?" && d.Identity == "bot"
		case <-time.After(100 * time.Millisecond): // it did not listen yet
		case <-ctx.Done():
			t.Fatal("no answer")
		}
	}
	leave(t, alice)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if t.Failed() {
		t.Logf("the bot said:\n%s", said.Bytes())
	}
}
