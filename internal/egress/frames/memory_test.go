package frames

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// coded is how frames of a codec are sent, and what becomes of them.
type coded struct {
	codec container.Codec
	rate  uint32
	head  []byte // what a frame begins with, as encoders make it
	split rtp.Payloader
	kept  func(frame []byte) []byte // nil: as it is
}

var allCoded = []coded{
	{container.Opus, 48000, []byte{0xf8}, new(codecs.OpusPayloader), nil},
	{container.VP8, 90000, []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0, 5, 0xd0, 2}, new(codecs.VP8Payloader), nil},
	{container.VP9, 90000, []byte{0x82, 0x49, 0x83, 0x42}, &codecs.VP9Payloader{FlexibleMode: true}, nil},
	{container.H264, 90000, []byte{0, 0, 0, 1, 0x65}, new(codecs.H264Payloader), lengthInFront},
	{container.H264, 90000, []byte{0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65}, new(codecs.H264Payloader), lengthInFront},
	{container.H265, 90000, []byte{0, 0, 0, 1, 0x26, 0x01}, new(codecs.H265Payloader), lengthInFront},
	{container.AV1, 90000, []byte{0x30}, new(codecs.AV1Payloader), func(obu []byte) []byte {
		sized := []byte{obu[0] | 2} // obu_has_size_field (AV1 §5.3.2)
		n := len(obu) - 1
		for ; n > 127; n >>= 7 {
			sized = append(sized, 0x80|byte(n&127))
		}
		return append(append(sized, byte(n)), obu[1:]...)
	}},
}

func lengthInFront(stream []byte) (all []byte) {
	for _, unit := range bytes.Split(stream, []byte{0, 0, 0, 1})[1:] {
		all = append(binary.BigEndian.AppendUint32(all, uint32(len(unit))), unit...)
	}
	return all
}

// frame makes the nth: each has a length and bytes of its own, none of them zero, so that
// nothing in it is taken for the beginning of a unit.
func (c coded) frame(n int) []byte {
	length := 200 + n*977%9000
	if c.codec == container.Opus {
		length = 40 + n*31%200
	}
	of := rand.New(rand.NewSource(int64(n)))
	b := bytes.Clone(c.head)
	for range length {
		b = append(b, byte(1+of.Intn(255)))
	}
	return b
}

// sender sends packets of one track, all from the same memory, which it scribbles over
// when they have been taken.
type sender struct {
	t     testing.TB
	track *Track
	seq   uint16
	now   time.Time
	got   [][]byte
}

func newSender(t testing.TB, c coded) *sender {
	track, err := New(c.codec, c.rate)
	if err != nil {
		t.Fatal(err)
	}
	return &sender{t: t, track: track, now: begin}
}

// push sends a packet, and takes the frames that are complete then.
func (s *sender) push(p *rtp.Packet) {
	s.track.Push(p, s.now)
	for i := range p.Payload {
		p.Payload[i] = 0xee
	}
	for {
		f, lost, ok := s.track.Next(s.now, false)
		if lost {
			s.t.Fatalf("lost something before %d", p.SequenceNumber)
		}
		if !ok {
			return
		}
		s.got = append(s.got, bytes.Clone(f.Data))
	}
}

// Frames are what was sent, whatever becomes of the packets' memory, and in whichever
// order they come: each third comes after the two behind it.
func TestFramesAreMadeInMemoryOfTheirOwn(t *testing.T) {
	for _, c := range allCoded {
		for _, marked := range []bool{true, false} {
			for _, mixed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/marked=%v/mixed=%v", c.codec, marked, mixed), func(t *testing.T) {
					s := newSender(t, c)
					var want [][]byte
					var all []*rtp.Packet
					for n := range 60 {
						frame := c.frame(n)
						kept := frame
						if c.kept != nil {
							kept = c.kept(frame)
						}
						want = append(want, kept)
						parts := c.split.Payload(1100, bytes.Clone(frame))
						for i, part := range parts {
							s.seq++
							all = append(all, &rtp.Packet{Header: rtp.Header{
								SequenceNumber: s.seq, Timestamp: uint32(n) * c.rate / 30, Marker: marked && i == len(parts)-1,
							}, Payload: bytes.Clone(part)})
						}
					}
					if !marked && c.codec.Video() {
						want = want[:len(want)-1] // only the next says that it is whole
					}
					if mixed { // the first stays: it says where the order begins
						for i := 1; i+2 < len(all); i += 3 {
							all[i], all[i+1], all[i+2] = all[i+1], all[i+2], all[i]
						}
					}
					for i, p := range all {
						s.now = begin.Add(time.Duration(i) * time.Millisecond)
						s.push(p)
					}
					if diff := cmp.Diff(len(want), len(s.got)); diff != "" {
						t.Fatalf("frames: %s", diff)
					}
					for n := range want {
						if !bytes.Equal(want[n], s.got[n]) {
							t.Fatalf("frame %d: %d bytes that differ from the %d that were sent", n, len(s.got[n]), len(want[n]))
						}
					}
				})
			}
		}
	}
}

// A packet that comes twice is taken once, also while it waits.
func TestPacketsThatComeTwiceAreTakenOnce(t *testing.T) {
	c := allCoded[0]
	s := newSender(t, c)
	for _, seq := range []uint16{1, 1, 3, 3, 2, 3, 2} {
		s.push(&rtp.Packet{Header: rtp.Header{SequenceNumber: seq, Timestamp: uint32(seq) * 960}, Payload: []byte{0xf8, byte(seq)}})
	}
	if diff := cmp.Diff([][]byte{{0xf8, 1}, {0xf8, 2}, {0xf8, 3}}, s.got); diff != "" {
		t.Error(diff)
	}
}

// Recordings go on for hours: packets that come as they should make no garbage.
func TestPacketsInOrderMakeNoGarbage(t *testing.T) {
	for _, c := range allCoded {
		if c.codec != container.Opus && c.codec != container.VP8 && c.codec != container.H264 {
			continue // put together elsewhere
		}
		t.Run(string(c.codec), func(t *testing.T) {
			s := newSender(t, c)
			parts := c.split.Payload(1100, c.frame(7))
			var p rtp.Packet
			frames := 0
			send := func() {
				p.Timestamp += c.rate / 30
				s.now = s.now.Add(time.Second / 30)
				for i, part := range parts {
					s.seq++
					p.SequenceNumber, p.Marker, p.Payload = s.seq, i == len(parts)-1, part
					s.track.Push(&p, s.now)
					if _, _, ok := s.track.Next(s.now, false); ok {
						frames++
					}
				}
			}
			for range 50 {
				send()
			}
			frames = 0
			if n := testing.AllocsPerRun(300, send); n >= 1 || frames < 300 {
				t.Errorf("%v allocations a frame, %d frames", n, frames)
			}
		})
	}
}
