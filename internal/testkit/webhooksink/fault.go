package webhooksink

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// Fault is how one request is treated. The zero value accepts it with 200.
type Fault struct {
	// Status is the answer; 0 is 200.
	Status int `json:"status,omitempty"`
	// Location goes with a redirect.
	Location string `json:"location,omitempty"`
	// RetryAfter is the header of that name, in either of its forms.
	RetryAfter string `json:"retryAfter,omitempty"`
	// Delay passes before anything else happens.
	Delay time.Duration `json:"delay,omitempty"`
	// Hang never answers.
	Hang bool `json:"hang,omitempty"`
	// Reset breaks the connection in place of an answer.
	Reset bool `json:"reset,omitempty"`
	// BodySize is how many bytes of body follow the status.
	BodySize int64 `json:"bodySize,omitempty"`
	// SlowBody follows the status with one byte a second, for ever.
	SlowBody bool `json:"slowBody,omitempty"`
	// Close closes the connection after the answer.
	Close bool `json:"close,omitempty"`
	// ResetAfter breaks the connection right after the status line and
	// headers: the answer may or may not arrive.
	ResetAfter bool `json:"resetAfter,omitempty"`
}

// Sequence returns a script that treats the first requests as listed, in order of
// arrival, and accepts the rest.
func Sequence(faults ...Fault) func(*Delivery) Fault {
	return func(d *Delivery) Fault {
		if d.N <= len(faults) {
			return faults[d.N-1]
		}
		return Fault{}
	}
}

// apply treats the request as f says.
func (s *Sink) apply(w http.ResponseWriter, r *http.Request, d *Delivery, f Fault) {
	if !s.pause(r, f.Delay) {
		return
	}
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		abort(w)
		return
	case f.Reset:
		abort(w)
		return
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	h := w.Header()
	if f.Location != "" {
		h.Set("Location", f.Location)
	}
	if f.RetryAfter != "" {
		h.Set("Retry-After", f.RetryAfter)
	}
	if f.Close {
		h.Set("Connection", "close")
	}
	if f.BodySize > 0 || f.SlowBody {
		h.Set("Content-Type", "text/plain")
	} else {
		h.Set("Content-Length", "0")
	}
	s.answered(d, status)
	w.WriteHeader(status)
	if f.ResetAfter || f.SlowBody {
		http.NewResponseController(w).Flush()
	}
	switch {
	case f.ResetAfter:
		abort(w)
	case f.SlowBody:
		for s.pause(r, time.Second) {
			if _, err := io.WriteString(w, "."); err != nil {
				return
			}
			if http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	case f.BodySize > 0:
		chunk := make([]byte, 32<<10)
		for left := f.BodySize; left > 0; left -= int64(len(chunk)) {
			if _, err := w.Write(chunk[:min(left, int64(len(chunk)))]); err != nil {
				return
			}
		}
	}
}

// pause waits and says whether the sender is still there.
func (s *Sink) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	case <-s.closed:
		return false
	}
}

// abort breaks the connection, with an RST where it is TCP.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	under := conn
	if t, ok := conn.(*tls.Conn); ok {
		under = t.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	under.Close()
}
