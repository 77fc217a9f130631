package rtmp

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// Types of messages (§5.4, §6.2, §7.1).
const (
	msgSetChunk     = 1
	msgAbort        = 2
	msgAck          = 3
	msgUserControl  = 4
	msgWindowAck    = 5
	msgPeerBand     = 6
	msgAudio        = 8
	msgVideo        = 9
	msgCommandAMF3  = 17
	msgCommand      = 20
	msgAggregate    = 22
	ourChunk        = 4096
	ourWindow       = 2_500_000
	writeTimeout    = 10 * time.Second
	maxCommand      = 64 << 10
	publishStream   = 1
	chunkControl    = 2
	chunkCommand    = 3
	chunkStatus     = 5
	pingRequest     = 6
	pingResponse    = 7
	streamBegin     = 0
	maxBeforeStream = 64 // messages before one publishes
)

// A conn is one connection. It belongs to its goroutine.
type conn struct {
	s      *Server
	c      net.Conn
	ctx    context.Context
	in     *chunkReader
	out    []byte
	chunk  int    // of what we write
	window uint64 // after so many bytes the client wants a word
	acked  uint64

	app, client string
	times       flv.Clock
	pub         Publication
	ended       bool // the client said so
	watch       sync.WaitGroup
}

func (s *Server) serveConn(ctx context.Context, nc net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &conn{s: s, c: nc, ctx: ctx, chunk: defaultChunk}
	err := c.run()
	cancel()
	c.watch.Wait()
	if c.pub != nil {
		c.s.count(func(st *Stats) { st.Publishing-- })
		if c.ended && (err == nil || errors.Is(err, io.EOF)) {
			err = nil
		}
		c.pub.Close(err)
	}
	for _, malformed := range []error{ErrChunk, ErrMessage, ErrTooLarge, ErrHandshake, ErrCommand} {
		if errors.Is(err, malformed) {
			s.count(func(st *Stats) { st.Malformed++ })
		}
	}
	if err != nil {
		s.o.Logger.Debug("RTMP connection ended", "remote", nc.RemoteAddr().String(), "error", err)
	}
}

func (c *conn) run() error {
	if err := c.c.SetDeadline(time.Now().Add(c.s.o.PublishTimeout)); err != nil {
		return err
	}
	if c.s.o.TLS != nil {
		over := tls.Server(c.c, c.s.o.TLS)
		if err := over.HandshakeContext(c.ctx); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		c.c = over
	}
	if err := handshake(c.c); err != nil {
		return err
	}
	c.in = newChunkReader(c.c)
	for before := 0; ; {
		if c.pub != nil {
			if err := c.c.SetReadDeadline(time.Now().Add(c.s.o.IdleTimeout)); err != nil {
				return err
			}
		} else if before++; before > maxBeforeStream {
			return fmt.Errorf("%w: %d messages, and none of them publishes", ErrCommand, before)
		}
		m, err := c.in.next()
		if err != nil {
			return err
		}
		if err := c.take(m); err != nil || c.ended {
			return err
		}
		if err := c.acknowledge(); err != nil {
			return err
		}
	}
}

// take handles one message. Those of unknown types are skipped.
func (c *conn) take(m message) error {
	switch m.kind {
	case msgSetChunk, msgAbort, msgWindowAck:
		if len(m.body) < 4 {
			return fmt.Errorf("%w: type %d of %d bytes", ErrMessage, m.kind, len(m.body))
		}
		v := binary.BigEndian.Uint32(m.body)
		switch m.kind {
		case msgSetChunk:
			return c.in.setChunk(v)
		case msgAbort:
			c.in.abort(v)
		case msgWindowAck:
			c.window = uint64(v)
		}
	case msgUserControl:
		if len(m.body) >= 6 && binary.BigEndian.Uint16(m.body) == pingRequest {
			return c.control(pingResponse, binary.BigEndian.Uint32(m.body[2:]))
		}
	case msgCommand:
		return c.command(m, m.body)
	case msgCommandAMF3: // a byte, then AMF0, unless it says otherwise
		if len(m.body) > 0 {
			return c.command(m, m.body[1:])
		}
	case msgAudio, msgVideo:
		return c.media(m.kind, m.at, m.body)
	case msgAggregate:
		return c.aggregate(m)
	}
	return nil
}

// media hands on a body. Some clients begin close to the end of what 32 bits count.
func (c *conn) media(kind byte, at uint32, body []byte) error {
	if c.pub == nil {
		return nil
	}
	t := c.times.At(at)
	if kind == msgAudio {
		return c.pub.Audio(t, body)
	}
	return c.pub.Video(t, body)
}

// aggregate takes several messages in one (§7.1.6). Their times count from that of
// the first.
func (c *conn) aggregate(m message) error {
	b, first, begun := m.body, uint32(0), false
	for len(b) >= 15 {
		size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		at := uint32(b[7])<<24 | uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6])
		if size > len(b)-15 {
			return fmt.Errorf("%w: part of an aggregate", ErrMessage)
		}
		if !begun {
			first, begun = at, true
		}
		if b[0] == msgAudio || b[0] == msgVideo {
			if err := c.media(b[0], m.at+at-first, b[11:11+size]); err != nil {
				return err
			}
		}
		b = b[15+size:]
	}
	return nil
}

// command handles one of §7.2. Those that are unknown are skipped.
func (c *conn) command(m message, body []byte) error {
	if len(body) > maxCommand {
		return fmt.Errorf("%w: %d bytes", ErrCommand, len(body))
	}
	values, err := parseAMF(body)
	if err != nil {
		return err
	}
	if len(values) < 2 {
		return fmt.Errorf("%w: %d values", ErrCommand, len(values))
	}
	name, _ := values[0].(string)
	id, _ := values[1].(float64)
	switch name {
	case "connect":
		return c.connect(id, values)
	case "createStream":
		return c.reply(0, "_result", id, nil, float64(publishStream))
	case "publish":
		return c.publish(m, values)
	case "play", "play2":
		return errors.Join(c.status(m.stream, "error", "NetStream.Play.StreamNotFound", ErrNotPublish.Error()), ErrNotPublish)
	case "FCUnpublish", "deleteStream", "closeStream":
		c.ended = c.pub != nil
	}
	return nil
}

func (c *conn) connect(id float64, values []any) error {
	if c.app != "" || c.client != "" {
		return fmt.Errorf("%w: a second connect", ErrCommand)
	}
	if len(values) < 3 {
		return fmt.Errorf("%w: connect without its object", ErrCommand)
	}
	o, ok := values[2].(object)
	if !ok {
		return fmt.Errorf("%w: connect without its object", ErrCommand)
	}
	c.app, c.client = o.text("app"), o.text("flashVer")
	if c.client == "" {
		c.client = "unnamed"
	}
	info := object{
		{"level", "status"}, {"code", "NetConnection.Connect.Success"},
		{"description", "Connection succeeded."}, {"objectEncoding", 0.0},
	}
	if o.has("fourCcList") || o.has("capsEx") {
		info = append(info, property{"fourCcList", []any{"avc1", "hvc1", "av01", "vp09", "Opus", "mp4a", ".mp3"}})
	}
	c.append(chunkControl, message{kind: msgWindowAck, body: binary.BigEndian.AppendUint32(nil, ourWindow)})
	c.append(chunkControl, message{kind: msgPeerBand, body: append(binary.BigEndian.AppendUint32(nil, ourWindow), 2)})
	c.append(chunkControl, message{kind: msgSetChunk, body: binary.BigEndian.AppendUint32(nil, ourChunk)})
	c.chunk = ourChunk
	return c.reply(0, "_result", id, object{{"fmsVer", "FMS/3,0,1,123"}, {"capabilities", 31.0}}, info)
}

// publish asks the handler. The key is the last part of the path, wherever the
// client has cut it: rtmp://host/app and key, or rtmp://host/app/key and nothing.
func (c *conn) publish(m message, values []any) error {
	if c.client == "" || c.pub != nil {
		return fmt.Errorf("%w: publish out of turn", ErrCommand)
	}
	name := ""
	if len(values) > 3 {
		name, _ = values[3].(string)
	}
	r := Request{Client: c.client, Remote: remote(c.raw()), TLS: c.s.o.TLS != nil}
	r.App, r.Key = split(c.app, name)
	err := ErrKey
	var pub Publication
	if r.Key != "" && !c.s.isBarred(r.Remote) {
		pub, err = c.s.o.Handler.Publish(c.ctx, r)
	}
	if err != nil {
		if errors.Is(err, ErrKey) {
			c.s.wrongKey(r.Remote)
		}
		return errors.Join(c.status(m.stream, "error", "NetStream.Publish.BadName", err.Error()), err)
	}
	c.pub, c.in.limit = pub, MaxMessage
	c.watch.Go(func() {
		select {
		case <-pub.Done():
			_ = c.raw().Close()
		case <-c.ctx.Done():
		}
	})
	c.s.count(func(st *Stats) { st.Publishing++ })
	if err := c.c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if err := c.control(streamBegin, m.stream); err != nil {
		return err
	}
	return c.status(m.stream, "status", "NetStream.Publish.Start", "Publishing.")
}

func split(app, name string) (string, string) {
	clean := func(s string) string {
		s, _, _ = strings.Cut(s, "?")
		return strings.Trim(s, "/")
	}
	path := strings.Trim(clean(app)+"/"+clean(name), "/")
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

func (c *conn) raw() net.Conn {
	if over, ok := c.c.(*tls.Conn); ok {
		return over.NetConn()
	}
	return c.c
}

func (c *conn) status(stream uint32, level, code, description string) error {
	return c.reply(stream, "onStatus", 0.0, nil, object{{"level", level}, {"code", code}, {"description", description}})
}

func (c *conn) reply(stream uint32, values ...any) error {
	id := byte(chunkCommand)
	if stream != 0 {
		id = chunkStatus
	}
	c.append(id, message{kind: msgCommand, stream: stream, body: appendAMF(nil, values...)})
	return c.flush()
}

func (c *conn) control(event uint16, v uint32) error {
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, event), v)
	c.append(chunkControl, message{kind: msgUserControl, body: body})
	return c.flush()
}

// acknowledge tells the client what has come, when it wants to know (§5.4.3).
func (c *conn) acknowledge() error {
	if c.window == 0 || c.in.read-c.acked < c.window/2+1 {
		return nil
	}
	c.acked = c.in.read
	c.append(chunkControl, message{kind: msgAck, body: binary.BigEndian.AppendUint32(nil, uint32(c.in.read))})
	return c.flush()
}

func (c *conn) append(id byte, m message) { c.out = appendMessage(c.out, c.chunk, id, m) }

func (c *conn) flush() error {
	if c.pub != nil {
		if err := c.c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
	}
	_, err := c.c.Write(c.out)
	c.out = c.out[:0]
	return err
}
