package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/slogtest"
)

// counting counts the calls of With that reach it.
type counting struct {
	slog.Handler
	calls *atomic.Int32
}

func (c counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	c.calls.Add(1)
	return counting{c.Handler.WithAttrs(attrs), c.calls}
}

func TestLoggersAreMadeWhenTheyLog(t *testing.T) {
	var out bytes.Buffer
	var calls atomic.Int32
	root := slog.New(late(counting{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}), &calls}))
	room := root.With("room", "demo")
	ana, ben := room.With("participant", "ana"), room.With("participant", "ben")
	ana.Debug("not logged")
	if n := calls.Load(); n != 0 || ana.Enabled(context.Background(), slog.LevelDebug) {
		t.Errorf("prepared %d times", n)
	}
	var wg sync.WaitGroup
	for _, log := range []*slog.Logger{ana, ben, ana, ben} {
		wg.Go(func() { log.Info("joined") })
	}
	wg.Wait()
	if n := calls.Load(); n != 3 {
		t.Errorf("prepared %d times, want the room once and each participant", n)
	}
	for _, who := range []string{"ana", "ben"} {
		if n := bytes.Count(out.Bytes(), []byte("msg=joined room=demo participant="+who+"\n")); n != 2 {
			t.Errorf("%s logs %d times in\n%s", who, n, &out)
		}
	}
}

func TestLateLoggersKeepTheRulesOfHandlers(t *testing.T) {
	var out bytes.Buffer
	err := slogtest.TestHandler(late(slog.NewJSONHandler(&out, nil)), func() (all []map[string]any) {
		for line := range bytes.Lines(out.Bytes()) {
			var m map[string]any
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
		return all
	})
	if err != nil {
		t.Error(err)
	}
}
