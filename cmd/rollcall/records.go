package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// record is an event as the server shows it.
type record struct {
	Seq            uint64          `json:"seq"`
	RoomSeq        uint64          `json:"roomSeq"`
	ID             string          `json:"id"`
	Name           event.Name      `json:"name"`
	Time           time.Time       `json:"time"`
	Room           string          `json:"room"`
	RoomSID        string          `json:"roomSid"`
	ParticipantSID string          `json:"participantSid"`
	Identity       string          `json:"identity"`
	TrackSID       string          `json:"trackSid"`
	Synthesized    bool            `json:"synthesized"`
	Actor          event.Actor     `json:"actor"`
	Reason         string          `json:"reason"`
	Committed      *time.Time      `json:"committed"`
	Body           json.RawMessage `json:"body"` // the very bytes that are signed
}

// event returns r as the log has it.
func (r *record) event() *event.Record {
	rec := &event.Record{
		Seq: r.Seq, RoomSeq: r.RoomSeq, ID: r.ID, Name: r.Name, Room: r.Room, RoomSID: r.RoomSID,
		ParticipantSID: r.ParticipantSID, Identity: r.Identity, TrackSID: r.TrackSID, Time: r.Time,
		Synthesized: r.Synthesized, Actor: r.Actor, Reason: r.Reason, Body: r.Body,
	}
	if r.Committed != nil {
		rec.Committed = *r.Committed
	}
	return rec
}

// line is r for people: where, what, who, and why.
func (r *record) line(s style) string {
	who := r.Identity
	if r.TrackSID != "" {
		who += " " + r.TrackSID
	}
	text := fmt.Sprintf("%s  %s  %s  %s  %s", s.faint(fmt.Sprintf("%7d", r.Seq)), s.faint(r.Time.Local().Format("15:04:05.000")),
		pad(r.Room, 16), s.bold(pad(string(r.Name), 30)), who)
	why := r.Reason
	if r.Actor != "" && r.Actor != event.ActorClient {
		why = string(r.Actor) + " " + why
	}
	if r.Synthesized {
		why += " (synthesized)"
	}
	if why != "" {
		text += "  " + s.faint(why)
	}
	return text
}

// reading is which events a verb reads.
type reading struct {
	room, types, consumer string
	after                 uint64
	// moved is told the place now and then while there is nothing to read; nil: nobody.
	moved func(ctx context.Context, after uint64) error
}

func (rd *reading) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"room": rd.room, "types": rd.types} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if rd.consumer != "" {
		q.Set("consumer", rd.consumer)
	} else {
		q.Set("after", strconv.FormatUint(rd.after, 10))
	}
	return q
}

// last returns the end of the log.
func (c *client) last(ctx context.Context) (uint64, error) {
	var page struct{ Cursor uint64 }
	_, err := c.call(ctx, "GET", "/events", url.Values{"after": {"now"}, "wait": {"0"}, "limit": {"1"}}, nil, &page)
	return page.Cursor, err
}

// page reads the next events, and says whether there are more for now.
func (c *client) page(ctx context.Context, rd *reading) (records []record, done bool, err error) {
	q := rd.query()
	q.Set("wait", "0")
	q.Set("limit", "1000")
	var page struct {
		Events []record
		Cursor uint64
		Done   bool
	}
	if _, err := c.call(ctx, "GET", "/events", q, nil, &page); err != nil {
		return nil, false, err
	}
	rd.after = page.Cursor
	return page.Events, page.Done, nil
}

// maxLine bounds a line of a stream: a record with its body.
const maxLine = 16 << 20

// stream reads events as they come and hands each to f with its line, until f
// or the connection fails. The server ends a stream when it stops.
func (c *client) stream(ctx context.Context, rd *reading, f func(r *record, line []byte) error) error {
	q := rd.query()
	q.Set("cursors", "true")
	resp, err := c.do(ctx, "GET", "/events", q, nil, "Accept", "application/x-ndjson")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue // the stream is alive
		}
		var r struct {
			record
			Cursor uint64 // of a line without an event
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("decode event: %w", err)
		}
		if r.Cursor > 0 {
			rd.after = r.Cursor
			if rd.moved != nil {
				if err := rd.moved(ctx, r.Cursor); err != nil {
					return err
				}
			}
			continue
		}
		if err := f(&r.record, line); err != nil {
			return err
		}
		rd.after = r.Seq
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return &streamEnded{err}
	}
	return &streamEnded{io.EOF}
}

// streamEnded is a stream that ended without anybody wanting it: it can be
// taken up again.
type streamEnded struct{ cause error }

func (e *streamEnded) Error() string { return "the stream of events ended: " + e.cause.Error() }
func (e *streamEnded) Unwrap() error { return e.cause }

// follow is stream for ever: it connects again from where it was, and tells say
// what happens.
func (c *client) follow(ctx context.Context, rd *reading, say func(string), f func(r *record, line []byte) error) error {
	var gaps backoff
	for {
		began := time.Now()
		err := c.stream(ctx, rd, f)
		if ctx.Err() != nil {
			return nil
		}
		if _, final := errors.AsType[*apiError](err); final {
			return err
		}
		var ours *handled
		if errors.As(err, &ours) {
			return ours.err
		}
		if time.Since(began) > time.Minute {
			gaps = backoff{}
		}
		gap := gaps.next()
		say(fmt.Sprintf("%v; trying again in %s", err, gap))
		if !sleep(ctx, gap) {
			return nil
		}
	}
}

// handled is an error of who got an event, not of the stream.
type handled struct{ err error }

func (e *handled) Error() string { return e.err.Error() }

// backoff is how long to wait before trying again.
type backoff struct{ n int }

// next returns 0.5, 1, 2, 4, 8 and then 10 seconds.
func (b *backoff) next() time.Duration {
	gap := min(500*time.Millisecond<<min(b.n, 5), 10*time.Second)
	b.n++
	return gap
}

// sleep waits, and reports false if ctx ends before that.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
