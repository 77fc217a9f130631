package transport

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
)

// testKeys are the same both ways.
func testKeys(p srtp.Profile) srtp.Keys {
	key := bytes.Repeat([]byte{7}, 16)
	salt := bytes.Repeat([]byte{9}, 14)
	if p != srtp.AES128CMHMACSHA180 {
		salt = salt[:12]
	}
	return srtp.Keys{Profile: p, LocalKey: key, LocalSalt: salt, RemoteKey: key, RemoteSalt: salt}
}

// addRTP puts a packet of n bytes, sealed, into b.
func addRTP(t testing.TB, b *Batch, p *Path, s *srtp.Sealer, seq uint16, n int) {
	h := rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: seq, SSRC: 5}
	plain := n - s.Overhead()
	raw := b.Reserve(plain + Room)
	if _, err := h.MarshalTo(raw); err != nil {
		t.Fatal(err)
	}
	for i := range raw[12:plain] {
		raw[12+i] = byte(int(seq) + i)
	}
	b.AddRTP(p, s, plain, 12, uint64(seq))
}

// Whatever the sizes, every client gets what it was sent, in order.
func TestTrainsOfUnevenPackets(t *testing.T) {
	for _, profile := range []srtp.Profile{srtp.AEADAES128GCM, srtp.AES128CMHMACSHA180} {
		keys := testKeys(profile)
		sealer, err := srtp.NewSealer(keys)
		if err != nil {
			t.Fatal(err)
		}
		eachMode(t, func(t *testing.T, o Options) {
			opener, err := srtp.NewOpener(keys)
			if err != nil {
				t.Fatal(err)
			}
			m, cl := newMux(t, o), newClient(t)
			p := reach(t, join(t, m, new(witness), "u"), cl)
			rng := rand.New(rand.NewPCG(1, uint64(profile)))
			var seq uint16
			for range 40 {
				b := Borrow()
				var sizes []int
				for base := 0; len(sizes) < 30; {
					if rng.IntN(4) == 0 || base == 0 {
						base = []int{80, 300, 700, 1180}[rng.IntN(4)]
					}
					sizes = append(sizes, base+rng.IntN([]int{1, 2, 12}[rng.IntN(3)]))
				}
				first := seq
				for _, n := range sizes {
					addRTP(t, b, p, sealer, seq, n)
					seq++
				}
				b.Return()
				var sc srtp.Scratch
				for i, n := range sizes {
					got := []byte(cl.receive())
					if len(got) < n || len(got) > n+maxPadding {
						t.Fatalf("packet of %d bytes came with %d", n, len(got))
					}
					plain, err := opener.RTP(&sc, got)
					if err != nil {
						t.Fatal(err)
					}
					var pkt rtp.Packet
					if err := pkt.Unmarshal(plain); err != nil {
						t.Fatal(err)
					}
					want := first + uint16(i)
					if pkt.SequenceNumber != want || len(pkt.Payload) != n-12-sealer.Overhead() {
						t.Fatalf("packet %d has number %d and %d bytes of payload", want, pkt.SequenceNumber, len(pkt.Payload))
					}
					for j, c := range pkt.Payload {
						if c != byte(int(want)+j) {
							t.Fatalf("byte %d of packet %d is %d", j, want, c)
						}
					}
				}
			}
		})
	}
}

func TestTrains(t *testing.T) {
	sealer, err := srtp.NewSealer(testKeys(srtp.AEADAES128GCM))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		sizes []int
		want  []int // packets of each train
		size  int   // of the first
	}{
		"of one size":                    {[]int{1200, 1200, 1200}, []int{3}, 1200},
		"the last is shorter":            {[]int{1200, 1200, 400}, []int{3}, 1200},
		"nothing goes behind a shorter":  {[]int{1200, 400, 1200}, []int{2, 1}, 1200},
		"as a browser divides a frame":   {[]int{1100, 1100, 1101, 1101}, []int{4}, 1101},
		"up and down":                    {[]int{1101, 1100, 1103, 1100}, []int{4}, 1103},
		"too different":                  {[]int{1100, 1120}, []int{1, 1}, 1100},
		"each a little more":             {[]int{1100, 1105, 1110}, []int{2, 1}, 1105},
		"small ones are not made larger": {[]int{100, 101}, []int{1, 1}, 100},
		"a small one ends it":            {[]int{1100, 100, 100}, []int{2, 1}, 1100},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBatch(-1, -1, 1<<14)
			p := &Path{}
			for i, n := range tt.sizes {
				addRTP(t, b, p, sealer, uint16(i), n)
			}
			var got []int
			for at := int32(0); at >= 0; {
				count, size, end := b.train(at, maxTrain)
				if at == 0 && int(size) != tt.size {
					t.Errorf("first train has size %d, want %d", size, tt.size)
				}
				got, at = append(got, count), end
			}
			if len(got) != len(tt.want) {
				t.Fatalf("trains of %v packets, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Fatalf("trains of %v packets, want %v", got, tt.want)
				}
			}
		})
	}
}

func BenchmarkUnevenTrains(bench *testing.B) {
	sealer, err := srtp.NewSealer(testKeys(srtp.AEADAES128GCM))
	if err != nil {
		bench.Fatal(err)
	}
	m := newMux(bench, Options{Readers: 1})
	p := reach(bench, join(bench, m, new(witness), "u"), newClient(bench))
	b := newBatch(0, 0, arenaSize)
	bench.ReportAllocs()
	var seq uint16
	for bench.Loop() {
		for i := range 6 {
			addRTP(bench, b, p, sealer, seq, 1150+i/3)
			seq++
		}
		b.Flush()
	}
}
