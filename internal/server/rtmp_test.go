package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestStopOfRTMPIsOverWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		canceled := false
		p := &rtmpPorts{cancel: func() { canceled = true }}
		hangs := make(chan struct{})
		p.serving.Go(func() { <-hangs })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.stop(ctx); !errors.Is(err, context.DeadlineExceeded) || !canceled {
			t.Errorf("a connection hangs: %v, canceled %v", err, canceled)
		}
		close(hangs)
		if err := p.stop(t.Context()); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	})
}
