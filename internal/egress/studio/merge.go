package studio

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// apart is how far sound may be ahead of pictures, or behind them, and still be put out
// in order. An encoder that is slower than that is not waited for: what waits dies with
// the process.
const apart = 100 * time.Millisecond

// A picture that comes after a hole waits for sound longer, so that segments know that there
// is something in the hole: what is listed of them would be too short without.
const (
	hole     = 400 * time.Millisecond // segments may be longer by that than they are to be
	holeWait = 3 * time.Second
)

// merge puts frames of two tracks into the order of their times, as far as that is
// worth waiting: for the first of each it is always, as nothing begins without it. Those
// of each come in order.
type merge struct {
	apart time.Duration // 0: however long
	held  [2][]container.Frame
	came  [2]bool
	last  [2]time.Duration // of what came
	gave  [2]time.Duration // the time of what was put out
	ended [2]bool
	out   func(container.Frame)
}

// put takes a frame, and puts out what has its turn.
func (m *merge) put(f container.Frame) {
	m.held[f.Track] = append(m.held[f.Track], f)
	m.came[f.Track], m.last[f.Track] = true, max(m.last[f.Track], f.At)
	m.release()
}

// end says that nothing follows of a track.
func (m *merge) end(track int) {
	m.ended[track] = true
	m.release()
}

func (m *merge) release() {
	for {
		next := 0
		if len(m.held[0]) == 0 || len(m.held[1]) > 0 && m.held[1][0].At < m.held[0][0].At {
			next = 1
		}
		if len(m.held[next]) == 0 {
			return
		}
		f, other := m.held[next][0], 1-next
		wait := m.apart
		if f.At-m.gave[next] > hole {
			wait = max(wait, holeWait)
		}
		late := m.apart > 0 && m.came[other] && max(m.last[0], m.last[1])-f.At > wait
		more := !m.ended[other] && (!m.came[other] || m.last[other] < f.At)
		if len(m.held[other]) == 0 && more && !late {
			return
		}
		m.held[next], m.gave[next] = m.held[next][1:], f.At
		m.out(f)
	}
}
