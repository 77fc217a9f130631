package peer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// A track takes no more than the frames that its subscriber wishes, and what fits
// of them is sent, by its temporal layers.
func TestStepsOfATrackAreItsTemporalLayersUpToTheWish(t *testing.T) {
	now := time.Unix(100, 0)
	clock := func() time.Time { return now }
	up := uptrack.New(uptrack.Options{
		Codec: uptrack.Codec{MimeType: "video/H264", ClockRate: 90000}, DependencyDescriptorExt: 4, Now: clock,
	})
	defer up.Close()
	in := up.AddStream(uptrack.StreamInfo{SSRC: 5})
	down := downtrack.New(downtrack.Options{Source: up, Now: clock})
	defer down.Close()
	// Templates 0, 1 and 2 are of three temporal layers, for as many decode targets.
	structure := []byte{0x80, 0b000_00010, 0b01_01_11_10, 0b10_10_00_10, 0b10_00_00_01}
	for i := range 32 * 4 {
		template := []byte{0, 2, 1, 2}[i%4]
		descriptor := []byte{0xc0 | template, 0, byte(i)}
		if i == 0 {
			descriptor = append(descriptor, structure...)
		}
		p := rtp.Packet{
			Header:  rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(i), Timestamp: uint32(i) * 90000 / 32},
			Payload: append([]byte{0x41}, make([]byte, 900)...),
		}
		if err := p.SetExtension(4, descriptor); err != nil {
			t.Fatal(err)
		}
		raw, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		in.Receive(raw, nil)
		now = now.Add(time.Second / 32)
	}
	for _, tt := range []struct {
		fps   uint32
		steps []step
		parts []float64 // of the whole layer
	}{
		{0, []step{{0, 0}, {0, 1}, {0, uptrack.AllTemporal}}, []float64{0.25, 0.5, 1}},
		{16, []step{{0, 0}, {0, uptrack.AllTemporal}}, []float64{0.25, 0.5}},
		{8, []step{{0, uptrack.AllTemporal}}, []float64{0.25}},
		{60, []step{{0, 0}, {0, 1}, {0, uptrack.AllTemporal}}, []float64{0.25, 0.5, 1}},
	} {
		down.SetMaxFPS(tt.fps)
		sh := &share{sender: &Sender{up: up, down: down}}
		sh.measure(now)
		if d := cmp.Diff(tt.steps, sh.steps, cmp.AllowUnexported(step{})); d != "" {
			t.Errorf("%d frames a second (-want +got):\n%s", tt.fps, d)
			continue
		}
		whole := float64(up.Rates(now)[0])
		for i, rate := range sh.rates {
			if part := float64(rate) / whole; part < tt.parts[i]*0.93 || part > tt.parts[i]*1.07 {
				t.Errorf("%d frames a second: step %d takes %.2f of the layer, want %.2f", tt.fps, i, part, tt.parts[i])
			}
		}
	}
}
