package container

import "encoding/binary"

// sample is a frame in a fragment of MP4.
type sample struct {
	length uint32 // how long it is shown, in ticks of its track's clock
	key    bool
	data   []byte
}

// Flags of the boxes of a fragment (ISO/IEC 14496-12 §8.8.7, §8.8.8).
const (
	baseIsMoof    = 0x20000
	hasDataOffset = 0x1
	hasDuration   = 0x100
	hasSize       = 0x200
	hasFlags      = 0x400
	nonSync       = 0x10000 // of a sample: it needs others before it
)

// appendPart appends a fragment (ISO/IEC 14496-12 §8.8.4): the description of samples of
// tracks that have any, and the samples. Nothing of it is kept.
func appendPart(b []byte, number uint32, tracks []*mp4Track) []byte {
	moof := len(b)
	b = openBox(b, "moof")
	mfhd := len(b)
	b = openFull(b, "mfhd", 0, 0)
	b = binary.BigEndian.AppendUint32(b, number)
	closeBox(b, mfhd)
	var offsets []int // where the offsets of the tracks' data are
	for i, t := range tracks {
		if len(t.samples) == 0 {
			continue
		}
		traf := len(b)
		b = openBox(b, "traf")
		tfhd := len(b)
		b = openFull(b, "tfhd", 0, baseIsMoof)
		b = binary.BigEndian.AppendUint32(b, uint32(i+1))
		closeBox(b, tfhd)
		tfdt := len(b)
		b = openFull(b, "tfdt", 1, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(t.base))
		closeBox(b, tfdt)
		trun := len(b)
		flags := uint32(hasDataOffset | hasDuration | hasSize)
		for _, s := range t.samples {
			if !s.key {
				flags |= hasFlags
			}
		}
		b = openFull(b, "trun", 1, flags)
		b = binary.BigEndian.AppendUint32(b, uint32(len(t.samples)))
		offsets = append(offsets, len(b))
		b = binary.BigEndian.AppendUint32(b, 0) // the offset
		for _, s := range t.samples {
			b = binary.BigEndian.AppendUint32(b, s.length)
			b = binary.BigEndian.AppendUint32(b, uint32(len(s.data)))
			if flags&hasFlags != 0 && s.key {
				b = binary.BigEndian.AppendUint32(b, 0)
			} else if flags&hasFlags != 0 {
				b = binary.BigEndian.AppendUint32(b, nonSync)
			}
		}
		closeBox(b, trun)
		closeBox(b, traf)
	}
	closeBox(b, moof)
	mdat := len(b)
	b = openBox(b, "mdat")
	for _, t := range tracks {
		if len(t.samples) == 0 {
			continue
		}
		binary.BigEndian.PutUint32(b[offsets[0]:], uint32(len(b)-moof))
		offsets = offsets[1:]
		for _, s := range t.samples {
			b = append(b, s.data...)
		}
	}
	closeBox(b, mdat)
	return b
}

// openBox appends the beginning of a box, whose length closeBox sets.
func openBox(b []byte, kind string) []byte { return append(append(b, 0, 0, 0, 0), kind...) }

func openFull(b []byte, kind string, version byte, flags uint32) []byte {
	return binary.BigEndian.AppendUint32(openBox(b, kind), uint32(version)<<24|flags)
}

func closeBox(b []byte, at int) { binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at)) }
