package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// cdp speaks the Chrome DevTools Protocol over a pair of pipes: messages of JSON,
// each ended by a byte of zero. There is no port that anybody else could use.
type cdp struct {
	w      io.WriteCloser
	events func(session, method string, params json.RawMessage) // by the reading goroutine
	donec  chan struct{}                                        // closed when the browser says nothing more

	mu      sync.Mutex
	next    int
	waiting map[int]chan<- answer
	gone    bool
}

// message is one of either direction.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *protocolError  `json:"error,omitempty"`
}

type answer struct {
	result json.RawMessage
	err    error
}

// protocolError is the browser's refusal of a call.
type protocolError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *protocolError) Error() string { return e.Message }

// errGone says that the browser ended.
var errGone = errors.New("the browser ended")

// maxMessage bounds what the browser says at once. A picture is far below.
const maxMessage = 64 << 20

// newCDP makes one that is told events by the goroutine of read.
func newCDP(w io.WriteCloser, events func(session, method string, params json.RawMessage)) *cdp {
	return &cdp{w: w, events: events, donec: make(chan struct{}), waiting: make(map[int]chan<- answer)}
}

// read takes what the browser says until it is gone.
func (c *cdp) read(r io.Reader) {
	defer close(c.donec)
	defer c.end()
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 256<<10), maxMessage)
	lines.Split(splitZero)
	for lines.Scan() {
		var m struct {
			message
			Params json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return
		}
		if m.Method != "" {
			c.events(m.Session, m.Method, m.Params)
			continue
		}
		c.mu.Lock()
		to := c.waiting[m.ID]
		delete(c.waiting, m.ID)
		c.mu.Unlock()
		if to == nil {
			continue
		}
		a := answer{result: m.Result}
		if m.Error != nil {
			a.err = m.Error
		}
		to <- a // there is room
	}
}

// splitZero is a bufio.SplitFunc of messages.
func splitZero(data []byte, _ bool) (advance int, token []byte, err error) {
	for i, b := range data {
		if b == 0 {
			return i + 1, data[:i], nil
		}
	}
	return 0, nil, nil
}

func (c *cdp) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for id, to := range c.waiting {
		to <- answer{err: errGone}
		delete(c.waiting, id)
	}
}

// send calls a method, and does not wait for what comes of it.
func (c *cdp) send(session, method string, params any) { _, _ = c.begin(session, method, params) }

func (c *cdp) begin(session, method string, params any) (<-chan answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, errGone
	}
	c.next++
	raw, err := json.Marshal(message{ID: c.next, Session: session, Method: method, Params: params})
	if err != nil {
		panic("BUG: encode for the browser: " + err.Error())
	}
	got := make(chan answer, 1)
	c.waiting[c.next] = got
	if _, err := c.w.Write(append(raw, 0)); err != nil {
		delete(c.waiting, c.next)
		return nil, errGone
	}
	return got, nil
}

// call calls a method of a session, "" for the browser's own, and reads what comes
// of it into result unless that is nil.
func (c *cdp) call(ctx context.Context, session, method string, params, result any) error {
	got, err := c.begin(session, method, params)
	if err != nil {
		return err
	}
	select {
	case a := <-got:
		if a.err != nil {
			return fmt.Errorf("%s: %w", method, a.err)
		}
		if result != nil {
			return json.Unmarshal(a.result, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}
