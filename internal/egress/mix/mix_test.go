package mix

import (
	"math"
	"testing"
	"time"

	"github.com/thesyncim/gopus"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// tone is a second of a tone, in packets of 20 ms.
func tone(t testing.TB, hertz, loud float64) (packets [][]byte) {
	t.Helper()
	e, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: Rate, Channels: 1, Application: gopus.ApplicationAudio})
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]float32, Block)
	for n := range 50 {
		for i := range pcm {
			pcm[i] = float32(loud * math.Sin(2*math.Pi*hertz*float64(n*Block+i)/Rate))
		}
		b := make([]byte, 1500)
		size, err := e.Encode(pcm, b)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, b[:size])
	}
	return packets
}

// strength is how much of a tone is in samples of one channel.
func strength(samples []int16, channel int, hertz float64) float64 {
	var re, im float64
	n := len(samples) / Channels
	for i := range n {
		v := float64(samples[i*Channels+channel]) / math.MaxInt16
		re += v * math.Cos(2*math.Pi*hertz*float64(i)/Rate)
		im += v * math.Sin(2*math.Pi*hertz*float64(i)/Rate)
	}
	return 2 * math.Hypot(re, im) / float64(n)
}

func take(m *Mixer, until time.Duration) (all []int16) {
	block := make([]int16, Block*Channels)
	for {
		if _, ok := m.Take(noon.Add(until), block); !ok {
			return all
		}
		all = append(all, block...)
	}
}

func add(t *testing.T, m *Mixer, number uint16, side Side) {
	t.Helper()
	if err := m.Add(number, side); err != nil {
		t.Fatal(err)
	}
}

func TestTracksAreHeardTogetherWhereTheyBelong(t *testing.T) {
	for name, c := range map[string]struct {
		one, two Side
		want     [2][2]float64 // of each tone in each channel
	}{
		"both":     {Both, Both, [2][2]float64{{.3, .3}, {.3, .3}}},
		"one each": {Left, Right, [2][2]float64{{.3, 0}, {0, .3}}},
	} {
		m := New()
		add(t, m, 1, c.one)
		add(t, m, 2, c.two)
		low, high := tone(t, 440, .3), tone(t, 1320, .3)
		for n := range low {
			at := noon.Add(time.Duration(n) * 20 * time.Millisecond)
			m.Push(1, at, low[n])
			m.Push(2, at.Add(3*time.Millisecond), high[n])
		}
		all := take(m, time.Second)
		if len(all) != 50*Block*Channels {
			t.Fatalf("%s: %d samples", name, len(all))
		}
		for i, hertz := range []float64{440, 1320} {
			for channel := range Channels {
				got := strength(all[10*Block*Channels:40*Block*Channels], channel, hertz)
				if math.Abs(got-c.want[i][channel]) > .05 {
					t.Errorf("%s: %v Hz in channel %d is %.2f, want %.2f", name, hertz, channel, got, c.want[i][channel])
				}
			}
		}
	}
}

func TestSoundIsWhereItWasCaptured(t *testing.T) {
	m := New()
	add(t, m, 1, Both)
	packets := tone(t, 440, .5)
	m.Push(1, noon, packets[0])
	for n, p := range packets[1:] { // half a second late: a pause
		m.Push(1, noon.Add(500*time.Millisecond+time.Duration(n)*20*time.Millisecond), p)
	}
	all := take(m, 1400*time.Millisecond)
	quiet := all[10*Block*Channels : 24*Block*Channels]
	loud := all[30*Block*Channels : 60*Block*Channels]
	if q, l := strength(quiet, 0, 440), strength(loud, 0, 440); q > .01 || l < .45 {
		t.Errorf("%.3f in the pause, %.3f after it", q, l)
	}
	m.Push(1, noon, packets[3])
	if _, ok := m.Take(noon.Add(1400*time.Millisecond), make([]int16, Block*Channels)); ok {
		t.Error("what was taken comes again")
	}
}

func TestSumOfManyDoesNotOverflow(t *testing.T) {
	m := New()
	packets := tone(t, 440, .9)
	for number := range uint16(10) {
		add(t, m, number, Both)
		for n, p := range packets {
			m.Push(number, noon.Add(time.Duration(n)*20*time.Millisecond), p)
		}
	}
	all := take(m, time.Second)
	for i := Channels; i < len(all); i++ {
		if d := int(all[i]) - int(all[i-Channels]); i > 10*Block && (d > 32000 || d < -32000) {
			t.Fatalf("it turns over at %d: %d after %d", i, all[i], all[i-Channels])
		}
	}
}

func FuzzPush(f *testing.F) {
	for _, p := range tone(f, 440, .5)[:3] {
		f.Add(p, int64(0))
	}
	f.Add([]byte{0xff}, int64(time.Hour))
	f.Fuzz(func(t *testing.T, packet []byte, after int64) {
		m := New()
		if err := m.Add(1, Both); err != nil {
			t.Fatal(err)
		}
		m.Push(1, noon, packet)
		m.Push(1, noon.Add(time.Duration(after)), packet)
		block := make([]int16, Block*Channels)
		for range 3 {
			m.Take(noon.Add(time.Second), block)
		}
	})
}

func BenchmarkTenSpeakers(b *testing.B) {
	m := New()
	packets := tone(b, 440, .1)
	for number := range uint16(10) {
		if err := m.Add(number, Both); err != nil {
			b.Fatal(err)
		}
	}
	block := make([]int16, Block*Channels)
	for n := 0; b.Loop(); n++ {
		at := noon.Add(time.Duration(n) * 20 * time.Millisecond)
		for number := range uint16(10) {
			m.Push(number, at, packets[n%50])
		}
		m.Take(at, block)
	}
}

// Sound goes on at its time after days: samples are counted without overflow.
func TestSoundGoesOnForWeeks(t *testing.T) {
	for _, hours := range []int64{54, 1000, 100_000} {
		m := New()
		add(t, m, 1, Both)
		m.Push(1, noon, tone(t, 440, 0.5)[0])
		m.taken = hours * 3600 * Rate
		block := make([]int16, Block*Channels)
		if at, ok := m.Take(noon.Add(time.Duration(hours)*time.Hour+time.Second), block); !ok || at != time.Duration(hours)*time.Hour {
			t.Errorf("after %d h: a block at %v, %v", hours, at, ok)
		}
	}
}
