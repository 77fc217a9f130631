package rtmp

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type seen struct {
	Kind byte
	At   uint32
	Body string
}

func readAll(b []byte) (all []seen, err error) {
	r := newChunkReader(bytes.NewReader(b))
	r.limit = MaxMessage
	for {
		m, err := r.next()
		if err != nil {
			return all, err
		}
		all = append(all, seen{m.kind, m.at, string(m.body)})
		if m.kind == msgSetChunk && len(m.body) >= 4 {
			if err := r.setChunk(uint32(m.body[0])<<24 | uint32(m.body[1])<<16 | uint32(m.body[2])<<8 | uint32(m.body[3])); err != nil {
				return all, err
			}
		}
	}
}

func TestTimesOfChunks(t *testing.T) {
	full := func(at byte) []byte { return []byte{4, 0, 0, at, 0, 0, 1, 9, 1, 0, 0, 0, 'a'} }
	for name, tc := range map[string]struct {
		in   []byte
		want []uint32
	}{
		"deltas":                     {append(full(10), 0x44, 0, 0, 5, 0, 0, 1, 9, 'b', 0x84, 0, 0, 7, 'c', 0xc4, 'd'), []uint32{10, 15, 22, 29}},
		"type 3 after type 0":        {append(full(23), 0xc4, 'b', 0xc4, 'c'), []uint32{23, 46, 69}},
		"the same, hours later":      {[]byte{4, 0x10, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 'a', 0xc4, 'b'}, []uint32{0x100000, 0x100000}},
		"extended":                   {[]byte{4, 255, 255, 255, 0, 0, 1, 9, 1, 0, 0, 0, 1, 2, 3, 4, 'a'}, []uint32{0x01020304}},
		"delta beyond the 32 bits":   {[]byte{4, 255, 255, 255, 0, 0, 1, 9, 1, 0, 0, 0, 255, 255, 255, 255, 'a', 0x84, 0, 0, 2, 'b'}, []uint32{0xffffffff, 1}},
		"chunk stream of two bytes":  {[]byte{0, 1, 0, 0, 9, 0, 0, 1, 9, 1, 0, 0, 0, 'a'}, []uint32{9}},
		"chunk stream of three byte": {[]byte{1, 1, 1, 0, 0, 9, 0, 0, 1, 9, 1, 0, 0, 0, 'a'}, []uint32{9}},
	} {
		all, err := readAll(tc.in)
		var got []uint32
		for _, m := range all {
			got = append(got, m.At)
		}
		if d := cmp.Diff(tc.want, got); d != "" || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}

// Some clients repeat an extended timestamp in each chunk, some do not.
func TestExtendedTimestampsAreFoundOrNot(t *testing.T) {
	head := []byte{4, 255, 255, 255, 0, 0, 200, 9, 1, 0, 0, 0, 1, 0, 0, 0}
	body := bytes.Repeat([]byte("0123456789"), 20)
	with := append(append(append([]byte(nil), head...), body[:128]...), append([]byte{0xc4, 1, 0, 0, 0}, body[128:]...)...)
	without := append(append(append([]byte(nil), head...), body[:128]...), append([]byte{0xc4}, body[128:]...)...)
	for _, in := range [][]byte{with, without} {
		all, err := readAll(in)
		if want := []seen{{9, 1 << 24, string(body)}}; !cmp.Equal(want, all) || !errors.Is(err, io.EOF) {
			t.Errorf("%v\n%s", err, cmp.Diff(want, all))
		}
	}
}

func TestMessagesOfSeveralStreamsInterleave(t *testing.T) {
	a := appendMessage(nil, 128, 4, message{kind: 8, body: bytes.Repeat([]byte("a"), 300)})
	v := appendMessage(nil, 128, 6, message{kind: 9, body: bytes.Repeat([]byte("v"), 200)})
	in := append(append(append(append([]byte(nil), a[:12+128]...), v[:12+128]...), a[12+128:]...), v[12+128:]...)
	all, err := readAll(in)
	want := []seen{{8, 0, string(bytes.Repeat([]byte("a"), 300))}, {9, 0, string(bytes.Repeat([]byte("v"), 200))}}
	if !cmp.Equal(want, all) || !errors.Is(err, io.EOF) {
		t.Error(err, cmp.Diff(want, all))
	}
}

func TestIncompleteMessagesAreBoundedTogether(t *testing.T) {
	in := []byte{2, 0, 0, 0, 0, 0, 4, msgSetChunk, 0, 0, 0, 0, 0, 0x40, 0, 0} // chunks of 4 MiB
	for id := byte(3); id < 6; id++ {
		in = append(in, id, 0, 0, 0, 0x70, 0, 0, 9, 1, 0, 0, 0)
		in = append(in, make([]byte, 4<<20)...)
	}
	if _, err := readAll(in); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// memory is what the streams of a reader hold, in bytes.
func memory(r *chunkReader) (sum int) {
	for _, s := range r.streams {
		sum += cap(s.body)
	}
	return sum
}

// Whole messages and those that are aborted leave nothing behind that adds up.
func TestWhatStreamsKeepIsBoundedTogether(t *testing.T) {
	const size = 1 << 20
	for _, abort := range []bool{false, true} {
		var in []byte
		for id := byte(3); id < 60; id++ {
			whole := appendMessage(nil, size, id, message{kind: msgVideo, body: make([]byte, size)})
			if abort {
				whole[6]++ // announces one byte more
				whole = append(whole, appendMessage(nil, size, 2, message{kind: msgAbort, body: []byte{0, 0, 0, id}})...)
			}
			in = append(in, whole...)
		}
		r := newChunkReader(bytes.NewReader(in))
		r.limit, r.chunk = MaxMessage, size
		n := 0
		for ; ; n++ {
			m, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.kind == msgAbort {
				r.abort(uint32(m.body[3]))
			}
		}
		if kept := memory(r); n != 57 || kept > MaxMessage {
			t.Errorf("abort %v: %d bytes are kept after %d messages", abort, kept, n)
		}
	}
}

func TestBeforeOnePublishesLittleIsTaken(t *testing.T) {
	r := newChunkReader(bytes.NewReader(appendMessage(nil, defaultChunk, 3, message{kind: msgVideo, body: make([]byte, maxBefore+1)})))
	if _, err := r.next(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one message: %v", err)
	}
	var in []byte
	for id := byte(3); id < 63; id++ {
		in = append(in, appendMessage(nil, defaultChunk, id, message{kind: msgVideo, body: make([]byte, maxBefore)})...)
	}
	r = newChunkReader(bytes.NewReader(in))
	for range 60 {
		if _, err := r.next(); err != nil {
			t.Fatal(err)
		}
	}
	if kept := memory(r); kept > maxBefore {
		t.Errorf("many messages: %d bytes are kept", kept)
	}
}

func TestChunksCutAnywhereEnd(t *testing.T) {
	whole := appendMessage(nil, 128, 4, message{kind: 9, at: 1 << 25, body: make([]byte, 300)})
	for n := range whole {
		if all, err := readAll(whole[:n]); len(all) > 0 || err == nil {
			t.Fatalf("%d bytes: %d messages, %v", n, len(all), err)
		}
	}
}

func FuzzChunks(f *testing.F) {
	f.Add(appendMessage(nil, 128, 4, message{kind: 9, at: 1 << 25, body: make([]byte, 300)}))
	f.Add(appendMessage(nil, 128, 2, message{kind: msgSetChunk, body: []byte{0, 0, 1, 0}}))
	f.Add([]byte{0, 1, 0, 0, 9, 0, 0, 1, 9, 1, 0, 0, 0, 'a', 0xc0, 1, 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _ := readAll(b)
		total := 0
		for _, m := range all {
			total += len(m.Body)
		}
		if total > len(b) {
			t.Errorf("%d bytes of %d", total, len(b))
		}
	})
}

func FuzzAMF(f *testing.F) {
	f.Add(appendAMF(nil, "connect", 1.0, object{{"app", "live"}, {"x", nil}, {"y", []any{true, "z"}}}))
	f.Add([]byte{11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 1, 'a', 0, 0, 9, 12, 0, 0, 0, 1, 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := parseAMF(b)
		if err != nil {
			return
		}
		again, err := parseAMF(appendAMF(nil, values...))
		if err != nil && len(b) < 1000 {
			t.Errorf("%v is not read again: %v", values, err)
		}
		if len(again) != len(values) && err == nil {
			t.Errorf("%v becomes %v", values, again)
		}
	})
}
