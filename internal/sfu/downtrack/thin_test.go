package downtrack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
)

// temporalFrame is packet i of 2 of frame n, in three temporal layers as
// encoders make them. Key frames are frame 0 and no other.
func temporalFrame(n, i int) []byte {
	tid := []byte{0, 2, 1, 2}[n%4]
	sync := byte(0)
	if n%8 == 1 || n%8 == 2 {
		sync = 0x20
	}
	b := []byte{0x80, 0xf0, 0x80 | byte(n>>8), byte(n), byte(n / 4), tid<<6 | sync | 3, 1}
	if i == 0 {
		b[0] |= 0x10
	}
	if n == 0 {
		b[6] = 0
	}
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, byte(i))
}

// What is left out leaves no hole: not in sequence numbers, not in picture ids,
// and what is sent again is what was sent, however packets are overtaken.
func TestThinnedVideoHasNoHoles(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			withRig(t, vp8, func(t *testing.T, r *rig) {
				rng := rand.New(rand.NewPCG(seed, 9))
				r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out})
				type packet struct {
					seq     uint16
					ts      uint32
					payload []byte
				}
				var held []packet
				release := func() {
					rng.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
					for _, p := range held {
						r.ts = p.ts
						r.sendAs(p.seq, p.payload)
					}
					held = nil
				}
				ts := r.ts
				var layers [3]int
				for n := range 300 {
					if rng.IntN(20) == 0 {
						release()
						r.down.SetAllottedTemporal(rng.IntN(4))
					}
					ts += 3000
					for i := range 2 {
						p := packet{r.seq, ts, temporalFrame(n, i)}
						r.seq++
						if n > 0 && rng.IntN(8) == 0 {
							held = append(held, p)
							continue
						}
						r.ts = ts
						r.sendAs(p.seq, p.payload)
					}
					if len(held) > 3 {
						release()
					}
				}
				release()

				sent := map[uint16]rtp.Packet{}
				got := r.out.take()
				first := got[0].SequenceNumber
				for _, p := range got {
					if _, twice := sent[p.SequenceNumber]; twice {
						t.Fatalf("%d is sent twice", p.SequenceNumber)
					}
					sent[p.SequenceNumber] = p
				}
				lastFrame, lastID, blanks, since := -1, uint16(0), 0, 0
				var again []uint16
				for i := range len(got) {
					p, ok := sent[first+uint16(i)]
					if !ok {
						t.Fatalf("hole at packet %d of %d", i, len(got))
					}
					if len(p.Payload) == 0 {
						blanks++
						since++
						continue
					}
					again = append(again, p.SequenceNumber)
					d := codec.Parse(codec.VP8, p.Payload)
					n := int(binary.BigEndian.Uint32(p.Payload[7:]))
					switch {
					case n == lastFrame:
						if d.PictureID != lastID {
							t.Fatalf("frame %d has picture ids %d and %d", n, lastID, d.PictureID)
						}
					case n < lastFrame:
						t.Fatalf("frame %d after %d", n, lastFrame)
					case lastFrame >= 0 && d.PictureID != (lastID+1)&0x7fff && (since < 2 || d.PictureID != lastID+2):
						// All of a frame may come so late that its number is taken.
						t.Fatalf("picture id %d after %d, at frame %d", d.PictureID, lastID, n)
					default:
						layers[d.Temporal]++
					}
					lastFrame, lastID, since = n, d.PictureID, 0
				}
				if layers[0] != 75 || layers[1] == 0 || layers[2] == 0 || layers[2] == 150 {
					t.Fatalf("frames of the layers: %v", layers)
				}
				if blanks > len(got)/6 {
					t.Errorf("%d of %d packets are blank", blanks, len(got))
				}
				again = again[len(again)-40:]
				r.nack(9, again...)
				resent := r.out.take()
				if len(resent) != len(again) {
					t.Fatalf("%d of %d sent again", len(resent), len(again))
				}
				for _, p := range resent {
					if !bytes.Equal(p.Payload, sent[p.SequenceNumber].Payload) {
						t.Fatalf("%d was % x, is % x", p.SequenceNumber, sent[p.SequenceNumber].Payload, p.Payload)
					}
				}
			})
		})
	}
}

func TestVideoWithoutTemporalLayersIsNotThinned(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 9, PayloadType: 100, Writer: r.out})
		r.down.SetAllottedTemporal(0)
		r.send([]byte{0x90, 0x80, 0x01, 0x00, 0xee})
		for range 10 {
			r.ts += 3000
			r.send([]byte{0x90, 0x80, 0x02, 0x01, 0xee})
		}
		if got := r.out.take(); len(got) != 11 {
			t.Fatalf("%d of 11 packets", len(got))
		}
	})
}
