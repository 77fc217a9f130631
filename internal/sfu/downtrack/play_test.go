package downtrack

import (
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// stream is a source of packets, one per Read, until an error.
type stream interface {
	Read(b []byte) (int, error)
}

// playing has a WaitGroup for each up-track that streams are played into.
var playing sync.Map

// play puts the packets of a stream into a track, on a goroutine of its own.
func play(up *uptrack.UpTrack, info uptrack.StreamInfo, s stream) bool {
	in := up.AddStream(info)
	if in == nil {
		return false
	}
	wg, _ := playing.LoadOrStore(up, new(sync.WaitGroup))
	wg.(*sync.WaitGroup).Go(func() {
		defer in.End()
		buf := make([]byte, uptrack.MaxPacket)
		for {
			n, err := s.Read(buf)
			if err != nil {
				return
			}
			in.Receive(buf[:n], nil)
		}
	})
	return true
}

// end closes a track after its streams have ended.
func end(up *uptrack.UpTrack) {
	if wg, ok := playing.LoadAndDelete(up); ok {
		wg.(*sync.WaitGroup).Wait()
	}
	up.Close()
}
