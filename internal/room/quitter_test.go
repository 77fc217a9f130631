package room

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// quitter is a client that hangs up while the room writes its answer.
type quitter struct {
	recorder
	once   sync.Once
	hangUp func()
}

func (q *quitter) Send(m *Message) {
	q.once.Do(q.hangUp)
	q.recorder.Send(m)
}

// A client may hang up before it has its answer: nobody reads what it is sent then.
func TestWhoHangsUpBeforeTheAnswerHasNoConnection(t *testing.T) {
	for _, waiting := range []bool{true, false} { // for its turn, or for the end of that
		inBubble(t, Options{}, func(tc *test) {
			alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
			alice.h.SignalLost(alice.sink)
			synctest.Wait()
			quits := func(comes func(context.Context, Sink) error) {
				t.Helper()
				ctx, hangUp := context.WithCancel(context.Background())
				free, came := make(chan struct{}), make(chan error, 1)
				sink := &quitter{hangUp: func() {}}
				if waiting {
					alice.room().post(func(*state) { <-free })
				} else {
					sink.hangUp = func() { hangUp(); <-free }
				}
				go func() { came <- comes(ctx, sink) }()
				synctest.Wait()
				hangUp()
				if err := <-came; !errors.Is(err, context.Canceled) {
					t.Errorf("let in, or refused: %v", err)
				}
				close(free)
				synctest.Wait()
			}
			quits(func(ctx context.Context, sink Sink) error {
				_, err := tc.reg.Resume(ctx, alice.join, alice.h.SID(), sink)
				return err
			})
			if alice.p().sink != nil || alice.p().signalLostAt.IsZero() {
				t.Errorf("waiting %t: a resume that nobody waits for has a connection", waiting)
			}
			quits(func(ctx context.Context, sink Sink) error {
				_, err := tc.reg.Join(ctx, joinOf("demo", "carol"), sink)
				return err
			})
			if there := bob.room().names(t); !slices.Equal(there, []string{"alice", "bob"}) {
				t.Errorf("waiting %t: in the room are %v", waiting, there)
			}
		})
	}
}
