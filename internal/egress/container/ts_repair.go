package container

import (
	"errors"
	"io"
	"os"
	"time"
)

const tsPacket = 188 // bytes, ISO/IEC 13818-1 §2.4.3.2

// repairTS cuts off what is no whole packet, and returns how long what remains
// plays, by the times of its frames.
func repairTS(path string) (plays time.Duration, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var packet [tsPacket]byte
	first, last, before := int64(-1), int64(-1), int64(0)
	whole := int64(0)
	for {
		if _, err := io.ReadFull(file, packet[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		} else if err != nil {
			return 0, err
		}
		if packet[0] != 0x47 {
			break
		}
		whole += tsPacket
		pts, ok := tsTime(packet[:])
		if !ok {
			continue
		}
		if first < 0 || pts < first {
			first = pts
		}
		if pts > last {
			before, last = last, pts
		}
	}
	if err := file.Truncate(whole); err != nil {
		return 0, err
	}
	if first < 0 {
		return 0, file.Sync()
	}
	step := int64(videoScale / 30)
	if before >= first && last-before < videoScale {
		step = last - before
	}
	return ticks(last-first+step, videoScale), file.Sync()
}

// tsTime is when the frame is shown that begins in a packet, if one does (§2.4.3.7).
func tsTime(p []byte) (int64, bool) {
	if p[1]&0x40 == 0 {
		return 0, false
	}
	b := p[4:]
	if p[3]&0x20 != 0 {
		n := int(b[0]) + 1
		if n > len(b) {
			return 0, false
		}
		b = b[n:]
	}
	if p[3]&0x10 == 0 || len(b) < 14 || b[0] != 0 || b[1] != 0 || b[2] != 1 || b[7]&0x80 == 0 {
		return 0, false
	}
	return int64(b[9]>>1&7)<<30 | int64(b[10])<<22 | int64(b[11]>>1)<<15 | int64(b[12])<<7 | int64(b[13]>>1), true
}
