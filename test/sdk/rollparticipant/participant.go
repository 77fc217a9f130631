package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/client/mediafile"
)

// participant is one session in a room.
type participant struct {
	out      *output         // immutable
	received *reception      // immutable
	ctx      context.Context // ends when the participant leaves
	room     *client.Room    // set once before the first command

	mu   sync.Mutex
	told map[string]bool // mu guards; sids of participants whose events are told
}

// command is one line of standard input.
type command struct {
	ID         int               `json:"id"`
	Op         string            `json:"op"`
	File       string            `json:"file"`
	Sid        string            `json:"sid"`
	Muted      bool              `json:"muted"`
	Text       string            `json:"text"`
	Size       int               `json:"size"`
	Topic      string            `json:"topic"`
	To         []string          `json:"to"`
	Identity   string            `json:"identity"`
	Method     string            `json:"method"`
	Reliable   bool              `json:"reliable"`
	Metadata   string            `json:"metadata"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
}

// patience is how long a command may take.
const patience = 20 * time.Second

// do carries out one command and returns what the harness is told.
func (p *participant) do(c command) (any, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	local := p.room.Local()
	switch c.Op {
	case "publishCamera", "publishMicrophone":
		return p.publish(ctx, c.File)
	case "unpublish":
		pub, err := p.track(c.Sid)
		if err != nil {
			return nil, err
		}
		return nil, local.Unpublish(ctx, pub)
	case "mute":
		pub, err := p.track(c.Sid)
		if err != nil {
			return nil, err
		}
		return nil, pub.SetMuted(ctx, c.Muted)
	case "data":
		return nil, local.PublishData(ctx, []byte(c.Text), client.DataOptions{Topic: c.Topic, Lossy: !c.Reliable, To: c.To})
	case "setMetadata":
		return nil, local.SetMetadata(ctx, c.Metadata)
	case "setName":
		return nil, local.SetName(ctx, c.Name)
	case "setAttributes":
		return nil, local.SetAttributes(ctx, c.Attributes)
	case "answerCalls":
		local.HandleRPC(c.Method, func(_ context.Context, call client.Invocation) (string, error) {
			return c.Method + " " + call.Payload, nil
		})
		return nil, nil
	case "call":
		return local.Call(ctx, c.Identity, c.Method, c.Text)
	case "listen":
		p.listen(c.Topic)
		return nil, nil
	case "sendText":
		return nil, local.SendText(ctx, c.Text, client.StreamOptions{Topic: c.Topic})
	case "sendBytes":
		return nil, p.sendBytes(ctx, c.Size, c.Topic)
	case "save":
		return nil, p.received.save(c.Identity+"/camera", c.File)
	case "received":
		return p.received.snapshot(), nil
	case "leave":
		return nil, nil
	default:
		return nil, fmt.Errorf("unknown command %q", c.Op)
	}
}

func (p *participant) track(sid string) (*client.LocalPublication, error) {
	for _, pub := range p.room.Local().Tracks() {
		if pub.SID() == sid {
			return pub, nil
		}
	}
	return nil, fmt.Errorf("no track %q", sid)
}

// publish plays the file, over and over. Its sound is a tone of someone speaking.
func (p *participant) publish(ctx context.Context, file string) (any, error) {
	sources, err := mediafile.Open(file, mediafile.Options{Level: func([]byte) (float64, bool) { return 0.3, true }})
	if err != nil {
		return nil, err
	}
	s := sources[0]
	track := client.NewLocalTrack(s.Codec)
	pub, err := p.room.Local().Publish(ctx, client.PublishOptions{Width: s.Width, Height: s.Height}, track)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	go func() {
		defer s.Close()
		if err := mediafile.Play(p.ctx, s, track, true); err != nil && p.ctx.Err() == nil {
			p.out.event("failed", map[string]any{"message": "play: " + err.Error()})
		}
	}()
	return map[string]any{"sid": pub.SID()}, nil
}

// listen tells the texts and the bytes that come on a topic.
func (p *participant) listen(topic string) {
	p.room.HandleText(topic, func(r *client.StreamReader) {
		b, err := io.ReadAll(r)
		if err != nil {
			p.out.event("failed", map[string]any{"message": "read text: " + err.Error()})
			return
		}
		p.out.event("text", map[string]any{"from": r.Info().Identity, "text": string(b)})
	})
	p.room.HandleBytes(topic, func(r *client.StreamReader) {
		size, total, err := sum(r)
		if err != nil {
			p.out.event("failed", map[string]any{"message": "read bytes: " + err.Error()})
			return
		}
		p.out.event("bytes", map[string]any{"from": r.Info().Identity, "size": size, "sum": total})
	})
}

func (p *participant) sendBytes(ctx context.Context, size int, topic string) error {
	w, err := p.room.Local().OpenBytes(ctx, client.StreamOptions{Topic: topic})
	if err != nil {
		return err
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i)
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Close()
}

// reception counts what arrives of each remote track.
type reception struct {
	mu     sync.Mutex
	counts map[string]*counted // by identity/source; mu guards
	kept   map[string][][]byte // frames of H265; mu guards
}

// counted is what arrived of one track since it was first subscribed.
type counted struct {
	Packets int `json:"packets"`
	Frames  int `json:"frames"` // video: packets that end a frame
	Bytes   int `json:"bytes"`
}

func newReception() *reception {
	return &reception{counts: map[string]*counted{}, kept: map[string][][]byte{}}
}

// watch counts until the track ends.
func (r *reception) watch(track *client.RemoteTrack, identity, source string) {
	if track.Codec().MimeType == client.H265.MimeType {
		r.keep(track, identity+"/"+source)
		return
	}
	for {
		packet, err := track.ReadRTP()
		if err != nil {
			return
		}
		r.mu.Lock()
		c := r.counts[identity+"/"+source]
		if c == nil {
			c = new(counted)
			r.counts[identity+"/"+source] = c
		}
		c.Packets++
		c.Bytes += len(packet.Payload)
		if packet.Marker && track.Kind() == livekit.TrackType_VIDEO {
			c.Frames++
		}
		r.mu.Unlock()
	}
}

// keep keeps whole frames until the track ends.
func (r *reception) keep(track *client.RemoteTrack, key string) {
	frames, err := track.Frames(context.Background(), nil)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	for frame := range frames {
		r.mu.Lock()
		r.kept[key] = append(r.kept[key], frame.Data)
		r.counts[key] = &counted{Frames: len(r.kept[key])}
		r.mu.Unlock()
	}
}

// save writes the frames that came into a file, from the first key frame on.
func (r *reception) save(key, file string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	frames := r.kept[key]
	for len(frames) > 0 && !bytes.HasPrefix(frames[0], []byte{0, 0, 0, 1, 32 << 1, 1}) { // a VPS begins it
		frames = frames[1:]
	}
	return os.WriteFile(file, bytes.Join(frames, nil), 0o600)
}

func (r *reception) snapshot() map[string]counted {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := make(map[string]counted, len(r.counts))
	for key, c := range r.counts {
		s[key] = *c
	}
	return s
}
