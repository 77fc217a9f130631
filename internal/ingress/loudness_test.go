package ingress

import (
	"math"
	"testing"

	"github.com/thesyncim/gopus"
)

// sine encodes a tone as packets of 20 ms; amplitude from 0 to 1.
func sine(tb testing.TB, channels, packets int, amplitude float64) (all [][]byte) {
	tb.Helper()
	e, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: meterRate, Channels: channels, Application: gopus.ApplicationAudio})
	if err != nil {
		tb.Fatal(err)
	}
	const samples = meterRate / 50
	pcm, out := make([]float32, samples*channels), make([]byte, 4000)
	for i := range packets {
		for s := range samples {
			for c := range channels {
				pcm[s*channels+c] = float32(amplitude * math.Sin(2*math.Pi*440*float64(i*samples+s)/meterRate))
			}
		}
		n, err := e.Encode(pcm, out)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, append([]byte(nil), out[:n]...))
	}
	return all
}

func TestLoudnessIsThatOfTheSound(t *testing.T) {
	for _, tc := range []struct {
		name      string
		channels  int
		amplitude float64
		want      uint8
	}{
		{"as loud as can be", 2, 1, 3}, // a sine has 3 dB less than a square wave
		{"a tenth", 1, 0.1, 23},
		{"quiet", 2, 0.01, 43},
		{"silence", 1, 0, quietest},
	} {
		l := newLoudness()
		var got uint8
		for _, packet := range sine(t, tc.channels, 20, tc.amplitude) {
			var ok bool
			if got, ok = l.of(packet); !ok {
				t.Fatalf("%s: not heard", tc.name)
			}
		}
		if d := int(got) - int(tc.want); d < -2 || d > 2 {
			t.Errorf("%s: -%d dBov, want -%d", tc.name, got, tc.want)
		}
	}
}

func TestWhatIsNoSoundHasNoLevel(t *testing.T) {
	l := newLoudness()
	for _, packet := range [][]byte{nil, {}, {0xff}, {0x03, 0xff}} {
		if level, ok := l.of(packet); ok {
			t.Errorf("%x: %d", packet, level)
		}
	}
	if level := levelOf([]float32{float32(math.NaN())}); level != quietest {
		t.Errorf("NaN: %d", level)
	}
	if level := levelOf([]float32{float32(math.Inf(1))}); level != 0 {
		t.Errorf("infinity: %d", level)
	}
}

// Whatever an encoder sends as Opus, the server goes on.
func FuzzLoudness(f *testing.F) {
	for _, packet := range sine(f, 2, 3, 0.5) {
		f.Add(packet, packet)
	}
	f.Add([]byte{0xff, 0xff}, []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		l := newLoudness()
		for _, packet := range [][]byte{a, b, a} {
			if level, _ := l.of(packet); level > quietest {
				t.Errorf("level %d", level)
			}
		}
	})
}

func BenchmarkLoudness(b *testing.B) {
	packets := sine(b, 2, 50, 0.5)
	l := newLoudness()
	b.ReportAllocs()
	for i := range b.N {
		l.of(packets[i%len(packets)])
	}
}
