package container

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"

	"github.com/rollcall-rtc/rollcall/internal/egress/picture"
)

// Elements of Matroska (RFC 9559 §5.1) and EBML (RFC 8794).
const (
	idEBML, idVersion, idReadVersion, idMaxIDLength, idMaxSizeLength = 0x1a45dfa3, 0x4286, 0x42f7, 0x42f2, 0x42f3
	idDocType, idDocTypeVersion, idDocTypeReadVersion                = 0x4282, 0x4287, 0x4285
	idVoid                                                           = 0xec
	idSegment                                                        = 0x18538067
	idSeekHead, idSeek, idSeekID, idSeekPosition                     = 0x114d9b74, 0x4dbb, 0x53ab, 0x53ac
	idInfo, idTimestampScale, idMuxingApp, idWritingApp, idDuration  = 0x1549a966, 0x2ad7b1, 0x4d80, 0x5741, 0x4489
	idTracks, idTrackEntry, idTrackNumber, idTrackUID, idTrackType   = 0x1654ae6b, 0xae, 0xd7, 0x73c5, 0x83
	idLacing, idCodecID, idCodecPrivate, idCodecDelay, idSeekPreRoll = 0x9c, 0x86, 0x63a2, 0x56aa, 0x56bb
	idVideo, idPixelWidth, idPixelHeight                             = 0xe0, 0xb0, 0xba
	idAudio, idSamplingFrequency, idChannels                         = 0xe1, 0xb5, 0x9f
	idCluster, idTimestamp, idSimpleBlock                            = 0x1f43b675, 0xe7, 0xa3
	idCues, idCuePoint, idCueTime, idCueTrackPositions, idCueTrack   = 0x1c53bb6b, 0xbb, 0xb3, 0xb7, 0xf7
	idCueClusterPosition                                             = 0xf1
)

// unknownSize is a size of eight bytes that says that the element has no end yet.
const unknownSize = 1<<56 - 1

// clusterTime is how much is in a cluster: what may be lost with the process. A
// block's time in it has 16 bits of milliseconds.
const clusterTime = 500 * time.Millisecond

// webmWriter writes the header with the first picture, whose size is in it.
type webmWriter struct {
	file   *os.File
	tracks []Track
	sizes  [][2]int // of pictures; nil before a track's first
	early  []Frame  // what came before the header, copied

	begun    bool
	segment  int64 // where the segment's content begins
	duration int64 // where the duration's value is
	seek     int64 // where there is room for a seek head
	tracksAt int64

	at      int64         // the end of the file
	cluster []byte        // the open cluster: room for its head, and blocks
	start   time.Duration // its time, in whole milliseconds
	keyed   bool          // it has a key frame, or there is no video
	end     time.Duration // of the last frame
	cues    []cue
	err     error
}

type cue struct {
	at       time.Duration
	position int64
}

func newWebM(file *os.File, tracks []Track) *webmWriter {
	return &webmWriter{file: file, tracks: tracks, sizes: make([][2]int, len(tracks))}
}

// maxEarly is how many frames may wait for the first picture.
const maxEarly = 1000

// Write implements Writer.
func (w *webmWriter) Write(f Frame) error {
	if w.err != nil {
		return w.err
	}
	if w.begun {
		w.add(f)
		return w.err
	}
	if codec := w.tracks[f.Track].Codec; codec.Video() && w.sizes[f.Track] == [2]int{} {
		size, ok := pictureSize(codec, f)
		if !ok {
			return fmt.Errorf("%w: the first picture is no key frame", ErrFrame)
		}
		w.sizes[f.Track] = size
	}
	f.Data = append([]byte(nil), f.Data...)
	if w.early = append(w.early, f); w.complete() || len(w.early) > maxEarly {
		w.begin()
	}
	return w.err
}

// complete says whether every track's first picture has come.
func (w *webmWriter) complete() bool {
	for i, t := range w.tracks {
		if t.Codec.Video() && w.sizes[i] == [2]int{} {
			return false
		}
	}
	return true
}

func (w *webmWriter) begin() {
	if w.begun || len(w.early) == 0 {
		return
	}
	w.begun = true
	w.header()
	for _, f := range w.early {
		w.add(f)
	}
	w.early = nil
}

// header writes all that comes before the first cluster.
func (w *webmWriter) header() {
	b := element(nil, idEBML, join(
		number(idVersion, 1), number(idReadVersion, 1), number(idMaxIDLength, 4), number(idMaxSizeLength, 8),
		text(idDocType, "webm"), number(idDocTypeVersion, 4), number(idDocTypeReadVersion, 2)))
	b = appendID(b, idSegment)
	b = binary.BigEndian.AppendUint64(b, 1<<56|unknownSize)
	w.segment = int64(len(b))
	w.seek = w.segment
	b = element(b, idVoid, make([]byte, seekHeadSize-9))
	// The duration is the last of its element, so that its place is known.
	info := join(number(idTimestampScale, 1e6), text(idMuxingApp, "rollcall"), text(idWritingApp, "rollcall"), float(idDuration, 0))
	b = element(b, idInfo, info)
	w.duration = int64(len(b)) - 8
	w.tracksAt = int64(len(b))
	var entries []byte
	for i, t := range w.tracks {
		entries = element(entries, idTrackEntry, w.entry(i, t))
	}
	b = element(b, idTracks, entries)
	w.append(b)
}

// seekHeadSize is that of a seek head for three elements; see seekHead.
const seekHeadSize = 4 + 8 + 3*(2+8+2+8+4+2+8+8)

// entry is the description of a track.
func (w *webmWriter) entry(i int, t Track) []byte {
	b := join(number(idTrackNumber, uint64(i+1)), number(idTrackUID, uint64(i+1)), number(idLacing, 0))
	if !t.Codec.Video() {
		head := append([]byte("OpusHead\x01"), byte(max(t.Channels, 1)))
		head = binary.LittleEndian.AppendUint16(head, preSkip)
		head = binary.LittleEndian.AppendUint32(head, oggRate)
		head = append(head, 0, 0, 0)
		return join(b, number(idTrackType, 2), text(idCodecID, "A_OPUS"), element(nil, idCodecPrivate, head),
			number(idCodecDelay, preSkip*uint64(time.Second)/oggRate), number(idSeekPreRoll, 80_000_000),
			element(nil, idAudio, join(float(idSamplingFrequency, oggRate), number(idChannels, uint64(max(t.Channels, 1))))))
	}
	id := map[Codec]string{VP8: "V_VP8", VP9: "V_VP9", AV1: "V_AV1"}[t.Codec]
	b = join(b, number(idTrackType, 1), text(idCodecID, id))
	if t.Codec == AV1 {
		b = join(b, element(nil, idCodecPrivate, w.av1Private(i)))
	}
	size := w.sizes[i]
	return join(b, element(nil, idVideo, join(number(idPixelWidth, uint64(max(size[0], 1))), number(idPixelHeight, uint64(max(size[1], 1))))))
}

// av1Private is the configuration record of AV1 in ISOBMFF §2.3, which Matroska
// uses too.
func (w *webmWriter) av1Private(track int) []byte {
	for _, f := range w.early {
		if f.Track != track {
			continue
		}
		obu := picture.SequenceHeader(f.Data)
		var seq av1.SequenceHeader
		if obu == nil || seq.Unmarshal(obu) != nil {
			continue
		}
		level, tier := byte(0), byte(0)
		if len(seq.SeqLevelIdx) > 0 {
			level = seq.SeqLevelIdx[0]
		}
		if len(seq.SeqTier) > 0 && seq.SeqTier[0] {
			tier = 1
		}
		c := seq.ColorConfig
		flags := tier<<7 | bit(c.HighBitDepth)<<6 | bit(c.TwelveBit)<<5 | bit(c.MonoChrome)<<4 |
			bit(c.SubsamplingX)<<3 | bit(c.SubsamplingY)<<2 | byte(c.ChromaSamplePosition)&3
		sized, err := av1.Bitstream([][]byte{obu}).Marshal()
		if err != nil {
			continue
		}
		return append([]byte{0x81, seq.SeqProfile<<5 | level&31, flags, 0}, sized...)
	}
	return []byte{0x81, 0, 0, 0}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// add puts a frame into the open cluster.
func (w *webmWriter) add(f Frame) {
	at := max(f.At, 0).Truncate(time.Millisecond)
	video := w.tracks[f.Track].Codec.Video()
	if len(w.cluster) > 0 && (at-w.start >= clusterTime || at < w.start-30*time.Second) {
		w.endCluster()
	}
	if len(w.cluster) == 0 {
		w.start, w.keyed = at, false
		w.cluster = append(w.cluster, make([]byte, clusterHead)...)
	}
	if !video && len(w.tracks) == 1 || video && f.Key {
		w.keyed = true
	}
	const head = 4
	b := begin(w.cluster, idSimpleBlock, head+len(f.Data))
	b = append(b, 0x80|byte(f.Track+1))
	b = binary.BigEndian.AppendUint16(b, uint16(int16((at - w.start).Milliseconds())))
	flags := byte(0)
	if f.Key || !video {
		flags = 0x80
	}
	w.cluster = append(append(b, flags), f.Data...)
	w.end = max(w.end, at)
}

// clusterHead is how long the id and size of a cluster are, and its time.
const clusterHead = 4 + 8 + 1 + 8 + 8

func (w *webmWriter) endCluster() {
	if len(w.cluster) == 0 {
		return
	}
	if w.keyed {
		w.cues = append(w.cues, cue{w.start, w.at - w.segment})
	}
	head := begin(w.cluster[:0], idCluster, len(w.cluster)-4-8)
	binary.BigEndian.AppendUint64(begin(head, idTimestamp, 8), uint64(w.start.Milliseconds()))
	w.append(w.cluster)
	w.cluster = w.cluster[:0]
}

func (w *webmWriter) append(b []byte) {
	if w.err != nil {
		return
	}
	var n int
	n, w.err = w.file.WriteAt(b, w.at)
	w.at += int64(n)
}

// Put implements Writer.
func (w *webmWriter) Put() error {
	if w.begun {
		w.endCluster()
	}
	return w.err
}

// Sync implements Writer.
func (w *webmWriter) Sync() error { return w.file.Sync() }

// Close implements Writer.
func (w *webmWriter) Close() error {
	w.begin()
	if w.begun {
		w.endCluster()
		w.finish()
	}
	if w.err == nil {
		w.err = w.file.Sync()
	}
	if err := w.file.Close(); w.err == nil {
		w.err = err
	}
	return w.err
}

// finish adds the index, and says in the header where it is and how long the
// file plays.
func (w *webmWriter) finish() {
	cuesAt := w.at
	var points []byte
	for _, c := range w.cues {
		points = element(points, idCuePoint, join(number(idCueTime, uint64(c.at.Milliseconds())),
			element(nil, idCueTrackPositions, join(number(idCueTrack, 1), number(idCueClusterPosition, uint64(c.position))))))
	}
	if len(points) > 0 {
		w.append(element(nil, idCues, points))
	}
	w.patch(w.duration, webmDuration(w.end))
	w.patch(w.segment-8, binary.BigEndian.AppendUint64(nil, 1<<56|uint64(w.at-w.segment)))
	seeks := join(seekTo(idInfo, w.seek+seekHeadSize-w.segment), seekTo(idTracks, w.tracksAt-w.segment))
	if len(points) > 0 {
		seeks = join(seeks, seekTo(idCues, cuesAt-w.segment))
	}
	head := element(nil, idSeekHead, seeks)
	// An element of two bytes at least fills what is left.
	w.patch(w.seek, element(head, idVoid, make([]byte, seekHeadSize-len(head)-9)))
}

func seekTo(id uint32, position int64) []byte {
	b := appendID(nil, idSeekPosition)
	b = append(b, 0x88) // of eight bytes, so that all are as long
	return element(nil, idSeek, join(element(nil, idSeekID, appendID(nil, id)), binary.BigEndian.AppendUint64(b, uint64(position))))
}

func (w *webmWriter) patch(at int64, b []byte) {
	if w.err == nil {
		_, w.err = w.file.WriteAt(b, at)
	}
}

// pictureSize is what a key frame says of its picture.
func pictureSize(codec Codec, f Frame) (size [2]int, ok bool) {
	switch codec {
	case VP8: // RFC 6386 §9.1
		if len(f.Data) < 10 || f.Data[0]&1 != 0 {
			return size, false
		}
		width := binary.LittleEndian.Uint16(f.Data[6:]) & 0x3fff
		height := binary.LittleEndian.Uint16(f.Data[8:]) & 0x3fff
		return [2]int{int(width), int(height)}, true
	case VP9:
		width, height, ok := picture.VP9Size(f.Data)
		return [2]int{width, height}, ok
	case AV1:
		var seq av1.SequenceHeader
		if header := picture.SequenceHeader(f.Data); header != nil && seq.Unmarshal(header) == nil {
			return [2]int{seq.Width(), seq.Height()}, true
		}
	}
	return size, false
}

// begin appends the head of an element, with a size of eight bytes, as long elements need.
func begin(b []byte, id uint32, size int) []byte {
	return binary.BigEndian.AppendUint64(appendID(b, id), 1<<56|uint64(size))
}

// element appends an element.
func element(b []byte, id uint32, content []byte) []byte {
	return append(begin(b, id, len(content)), content...)
}

func appendID(b []byte, id uint32) []byte {
	switch {
	case id >= 1<<24:
		return append(b, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
	case id >= 1<<16:
		return append(b, byte(id>>16), byte(id>>8), byte(id))
	case id >= 1<<8:
		return append(b, byte(id>>8), byte(id))
	}
	return append(b, byte(id))
}

func number(id uint32, v uint64) []byte {
	return element(nil, id, binary.BigEndian.AppendUint64(nil, v))
}

func float(id uint32, v float64) []byte {
	return element(nil, id, binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
}

func text(id uint32, s string) []byte { return element(nil, id, []byte(s)) }

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// webmDuration is the value of a duration, in milliseconds.
func webmDuration(d time.Duration) []byte {
	return binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(d.Milliseconds())))
}

// repairWebM finds the end of the last whole cluster of a file of ours, and where
// its duration is, 0 if that is known.
func repairWebM(r io.ReaderAt, size int64) (whole int64, plays time.Duration, duration int64, err error) {
	for whole < size {
		id, length, header, ok, err := readElement(r, whole)
		if err != nil {
			return 0, 0, 0, err
		}
		if !ok {
			break
		}
		if id == idSegment {
			whole += header // and on with what is in it
			continue
		}
		if whole+header+length > size {
			break
		}
		if id == idCluster {
			content := make([]byte, length)
			if _, err := r.ReadAt(content, whole+header); err != nil {
				return 0, 0, 0, err
			}
			plays = max(plays, clusterEnd(content))
		}
		if id == idInfo && length >= 18 {
			var last [18]byte // the duration, as header writes it
			if _, err := r.ReadAt(last[:], whole+header+length-18); err != nil {
				return 0, 0, 0, err
			}
			if bytes.Equal(last[:], float(idDuration, 0)) {
				duration = whole + header + length - 8
			}
		}
		whole += header + length
	}
	return whole, plays, duration, nil
}

// clusterEnd is the time of the last block of a cluster of ours.
func clusterEnd(b []byte) (end time.Duration) {
	var start time.Duration
	for len(b) >= 9 {
		id, skip := uint32(b[0]), 9 // what is in ours has ids of one byte
		length := binary.BigEndian.Uint64(b[1:]) &^ (1 << 56)
		if length > uint64(len(b)-skip) {
			return end
		}
		content := b[skip : skip+int(length)]
		switch {
		case id == idTimestamp && len(content) == 8:
			start = time.Duration(binary.BigEndian.Uint64(content)) * time.Millisecond
		case id == idSimpleBlock && len(content) >= 4:
			offset := time.Duration(int16(binary.BigEndian.Uint16(content[1:]))) * time.Millisecond
			end = max(end, start+offset)
		}
		b = b[skip+int(length):]
	}
	return end
}

// readElement reads an element's id and size, of which ours have eight bytes.
func readElement(r io.ReaderAt, at int64) (id uint32, length, header int64, ok bool, err error) {
	var b [12]byte
	n, err := r.ReadAt(b[:], at)
	if err != nil && err != io.EOF {
		return 0, 0, 0, false, err
	}
	idLength := 0
	for i := range 4 {
		if b[0]&(0x80>>i) != 0 {
			idLength = i + 1
			break
		}
	}
	if idLength == 0 || n < idLength+8 || b[idLength] != 1 {
		return 0, 0, 0, false, nil
	}
	for _, c := range b[:idLength] {
		id = id<<8 | uint32(c)
	}
	return id, int64(binary.BigEndian.Uint64(b[idLength:]) &^ (1 << 56)), int64(idLength + 8), true, nil
}
