package upgrade

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// readAhead is how much of a WebSocket is read at once, in bytes: what clients send is
	// short, and what is not is read past it.
	readAhead = 1 << 10
	// writeBuffer is how long a message may be to go out in one piece.
	writeBuffer = 4 << 10
	// answerTimeout is how long a client may take to take an answer.
	answerTimeout = 10 * time.Second
)

// writer is the answer to a request: that of who hijacks the connection, or one that is
// short.
type writer struct {
	conn   net.Conn
	header http.Header
	status int // 0: none is written yet
	body   bytes.Buffer
	gone   bool // hijacked
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *writer) Write(b []byte) (int, error) {
	if w.gone {
		return 0, http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

var errAnswered = errors.New("upgrade: hijacked after an answer")

// Hijack implements http.Hijacker.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.gone {
		return nil, nil, http.ErrHijacked
	}
	if w.status != 0 {
		return nil, nil, errAnswered
	}
	w.gone = true
	return w.conn, bufio.NewReadWriter(bufio.NewReaderSize(w.conn, readAhead), bufio.NewWriterSize(w.conn, writeBuffer)), nil
}

// finish sends the answer and ends the connection, unless that was hijacked.
func (w *writer) finish(r *http.Request) {
	if w.gone {
		return
	}
	defer w.conn.Close()
	w.WriteHeader(http.StatusOK)
	h := w.Header()
	if h.Get("Content-Type") == "" && w.body.Len() > 0 {
		h.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Del("Connection") // it is closed
	h.Del("Content-Length")
	answer := http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: h, Close: true,
		ContentLength: int64(w.body.Len()), Body: io.NopCloser(&w.body),
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return
	}
	out := bufio.NewWriter(w.conn)
	if answer.Write(out) == nil {
		_ = out.Flush()
	}
}
