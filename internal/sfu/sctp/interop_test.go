package sctp

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/sctp"
)

// wire is pion's end of a network that loses packets, as a net.Conn; ours is an
// Association behind a lock and a timer.
type wire struct {
	net.Conn
	in   chan []byte
	done chan struct{}
	once sync.Once

	mu     sync.Mutex
	ours   *Association // mu guards
	random *rand.Rand   // mu guards
	got    []Message    // mu guards
	loss   float64      // mu guards
}

func (w *wire) Read(b []byte) (int, error) {
	select {
	case p := <-w.in:
		return copy(b, p), nil
	case <-w.done:
		return 0, io.EOF
	}
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.random.Float64() >= w.loss {
		_ = w.ours.Handle(append([]byte(nil), b...), time.Now())
	}
	return len(b), nil
}

func (w *wire) Close() error                { w.once.Do(func() { close(w.done) }); return nil }
func (w *wire) LocalAddr() net.Addr         { return &net.UDPAddr{} }
func (w *wire) RemoteAddr() net.Addr        { return &net.UDPAddr{} }
func (w *wire) SetDeadline(time.Time) error { return nil }

func (w *wire) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// tick gives our end the time.
func (w *wire) tick() {
	for {
		select {
		case <-w.done:
			return
		case <-time.After(5 * time.Millisecond):
			w.do(func() { w.ours.Tick(time.Now()) })
		}
	}
}

func TestPionAndWeUnderstandEachOtherOverALossyPath(t *testing.T) {
	for _, loss := range []float64{0, 0.1} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{in: make(chan []byte, 1<<12), done: make(chan struct{}), random: rand.New(rand.NewPCG(1, 2)), loss: loss}
			w.ours = New(Options{
				MaxMessage: 65536, Window: 1 << 20, Reset: func(uint16) {},
				Write: func(b []byte) {
					if w.random.Float64() < w.loss {
						return
					}
					select {
					case w.in <- append([]byte(nil), b...):
					default:
					}
				},
				Message: func(m Message) { w.got = append(w.got, m); w.ours.in.held -= len(m.Payload) + partCost },
			})
			go w.tick()
			theirs, err := pion.Client(pion.Config{NetConn: w, LoggerFactory: logging.NewDefaultLoggerFactory()})
			if err != nil {
				t.Fatal(err)
			}
			out, err := theirs.OpenStream(2, pion.PayloadTypeWebRTCBinary)
			if err != nil {
				t.Fatal(err)
			}
			const count = 100
			for i := range count {
				if _, err := out.WriteSCTP([]byte(text(i, 10+i*300)), pion.PayloadTypeWebRTCBinary); err != nil {
					t.Fatal(err)
				}
				w.do(func() {
					_ = w.ours.Send(1, 53, []byte(text(i, 10+i*300)), Reliability{}, time.Now())
					_ = w.ours.Send(3, 53, []byte(text(i, 3000)), lossy, time.Now())
				})
			}
			read, lossyRead := 0, make(chan int)
			for range 2 {
				in, err := theirs.AcceptStream()
				if err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 1<<16)
				if in.StreamIdentifier() == 3 {
					go func() {
						n, b := 0, make([]byte, 1<<16)
						for {
							if _, err := in.Read(b); err != nil {
								lossyRead <- n
								return
							}
							n++
						}
					}()
					continue
				}
				for ; read < count; read++ {
					n, err := in.Read(b)
					if want := text(read, 10+read*300); err != nil || string(b[:n]) != want {
						t.Fatalf("message %d: %d bytes, %v", read, n, err)
					}
				}
			}
			for done := false; !done; {
				time.Sleep(10 * time.Millisecond)
				w.do(func() { done = len(w.got) == count && len(w.ours.sender.flight) == 0 })
			}
			for i, m := range w.got {
				if string(m.Payload) != text(i, 10+i*300) || m.Stream != 2 {
					t.Fatalf("message %d on stream %d has %d bytes", i, m.Stream, len(m.Payload))
				}
			}
			w.do(func() { w.loss = 0 })
			_ = theirs.Close()
			if n := <-lossyRead; n < count/4 || loss == 0 && n != count {
				t.Errorf("%d of %d lossy messages at a loss of %v", n, count, loss)
			}
			_ = w.Close()
			synctest.Wait()
		})
	}
}
