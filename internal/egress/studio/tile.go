package studio

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// tile is one track of pictures, decoded. It is the floor's.
type tile struct {
	wire.Track
	codec  container.Codec
	decode decode
	want   func()

	width, height int // as it is shown; 0 while it is not
	whole         bool
	decoders      []*decoding      // the last takes frames, the first gives pictures
	head          *ffmpeg.Decoded  // the next one, not yet due
	current       *compose.Picture // what is shown; nil before the first
	spent         func()           // gives current back
	broken        bool             // frames are left out up to the next key frame, which begins another decoder
	skips         bool             // likewise, for the same decoder
	hurry         bool             // the machine is too slow to wait for pictures
}

// decoder is what a tile needs of an ffmpeg.Decoder.
type decoder interface {
	Submit(at time.Duration, data []byte) bool
	Pictures() <-chan ffmpeg.Decoded
	Recycle(ffmpeg.Decoded)
	End()
	Close()
}

// decode begins a decoder of pictures of a size.
type decode func(codec container.Codec, width, height int, whole bool) (decoder, error)

// decodeBy has children of a program decode.
func decodeBy(program *ffmpeg.Program) decode {
	return func(codec container.Codec, width, height int, whole bool) (decoder, error) {
		return program.Decode(codec, width, height, whole)
	}
}

// decoding is a decoder, and what it was given.
type decoding struct {
	decoder
	width, height int
	under         []time.Duration // frames whose pictures have not come
	missed        time.Time       // since when a picture is not there that should be; zero if it is
	ended         bool
	late          bool // it was waited for in vain, and is not any more
}

// maxBehind is how far a decoder may be behind on a machine that is too slow.
const maxBehind = time.Second

// decodePatience is how long a picture is waited for that should be there, where nothing
// is late by it.
const decodePatience = time.Second

// maxMissed is how long a decoder that is behind is given no frames while no picture
// comes of it. What it has may give none: frames that are not shown do not, or broken
// ones.
const maxMissed = 3 * time.Second

// show says how large the tile is, 0 if it is not to be seen.
func (t *tile) show(width, height int, whole bool) {
	t.width, t.height, t.whole = width, height, whole
}

// frame takes a frame. Another size begins with the next key frame, which is asked
// for; up to it pictures have the old one.
func (t *tile) frame(at time.Duration, key bool, data []byte) error {
	var d *decoding
	if n := len(t.decoders); n > 0 {
		d = t.decoders[n-1]
	}
	if t.width == 0 {
		t.stop() // it is decoded again when it is to be seen
		return nil
	}
	fits := d != nil && !t.broken && d.width == t.width && d.height == t.height
	switch {
	case !fits && key:
		if d != nil && !d.ended {
			d.ended = true
			d.End()
		}
		made, err := t.decode(t.codec, t.width, t.height, t.whole)
		if err != nil {
			return err
		}
		d = &decoding{decoder: made, width: t.width, height: t.height}
		t.decoders = append(t.decoders, d)
		t.broken = false
	case !fits:
		t.want()
		if d == nil || t.broken {
			return nil
		}
	}
	behind := len(d.under) > 0 && at-d.under[0] > maxBehind
	if t.skips = t.skips || behind && t.hurry; t.skips {
		switch {
		case behind: // what has been submitted comes first, if it does
			if !d.missed.IsZero() && time.Since(d.missed) >= maxMissed {
				d.late, t.broken = true, true
				t.want()
			}
			return nil
		case !key:
			t.want()
			return nil
		}
		t.skips = false
	}
	if !d.Submit(at, data) {
		t.broken = true
		t.want()
		return nil
	}
	d.under = append(d.under, at.Truncate(time.Millisecond))
	return nil
}

// advance has current be the picture that is to be seen at that time. It waits for
// what is being decoded, up to a moment.
func (t *tile) advance(at time.Duration, until time.Time) {
	var patience *time.Timer
	for {
		if t.head != nil {
			if t.head.At > at {
				return
			}
			if t.spent != nil {
				t.spent()
			}
			head, from := *t.head, t.decoders[0]
			t.head, t.current, t.spent = nil, head.Picture, func() { from.Recycle(head) }
			continue
		}
		if len(t.decoders) == 0 {
			return
		}
		d := t.decoders[0]
		var pic ffmpeg.Decoded
		var ok bool
		select {
		case pic, ok = <-d.Pictures():
		default:
			due := len(d.under) > 0 && d.under[0] <= at
			if due && d.missed.IsZero() {
				d.missed = time.Now()
			}
			if !due && !d.ended || len(d.under) > 0 && !due || (d.late || t.hurry) && !d.ended {
				return
			}
			if d.late { // and nothing follows
				d.Close()
				t.spent, t.decoders = nil, t.decoders[1:]
				continue
			}
			if patience == nil {
				patience = time.NewTimer(time.Until(until))
				defer patience.Stop()
			}
			select {
			case pic, ok = <-d.Pictures():
			case <-patience.C:
				d.late = true
				return
			}
		}
		if ok {
			d.late, d.missed = false, time.Time{}
			for len(d.under) > 0 && d.under[0] <= pic.At {
				d.under = d.under[1:]
			}
			t.head = &pic
			continue
		}
		// No more comes of it. The picture that is shown stays.
		d.Close()
		t.spent = nil
		t.decoders = t.decoders[1:]
		if len(t.decoders) == 0 && !d.ended {
			t.broken = true
			t.want()
		}
	}
}

// stop ends the decoders. The picture that is shown stays.
func (t *tile) stop() {
	for _, d := range t.decoders {
		d.Close()
	}
	t.decoders, t.head, t.spent = nil, nil, nil
}
