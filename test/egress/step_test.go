package egress

import (
	"slices"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// inStep is how far a beep may be from its flash.
const inStep = 40 * time.Millisecond

// Sound and pictures of a recording are in step, however it is made. What is
// recorded can be no better in step than it was sent, so how late the test itself
// was at times is allowed, too.
func TestSoundAndPicturesAreInStep(t *testing.T) {
	need(t)
	s := start(t)
	c := s.clap("stage")
	file := func(name string) []*livekit.EncodedFileOutput {
		return []*livekit.EncodedFileOutput{{Filepath: name}}
	}
	kinds := []struct {
		name  string
		start func() (*livekit.EgressInfo, error)
	}{
		{"two tracks as they are", func() (*livekit.EgressInfo, error) {
			return s.api.StartTrackCompositeEgress(t.Context(), &livekit.TrackCompositeEgressRequest{
				RoomName: "stage", AudioTrackId: c.sids[livekit.TrackType_AUDIO], VideoTrackId: c.sids[livekit.TrackType_VIDEO], FileOutputs: file("tracks.mp4"),
			})
		}},
		{"a participant in segments", func() (*livekit.EgressInfo, error) {
			return s.api.StartParticipantEgress(t.Context(), &livekit.ParticipantEgressRequest{
				RoomName: "stage", Identity: "clapper", SegmentOutputs: []*livekit.SegmentedFileOutput{{FilenamePrefix: "participant/s", PlaylistName: "list.m3u8"}},
			})
		}},
		{"a room in a layout", func() (*livekit.EgressInfo, error) {
			return s.api.StartRoomCompositeEgress(t.Context(), &livekit.RoomCompositeEgressRequest{
				RoomName: "stage", FileOutputs: file("room.mp4"), Options: &livekit.RoomCompositeEgressRequest_Advanced{
					Advanced: &livekit.EncodingOptions{Width: 320, Height: 180, Framerate: 30, VideoBitrate: 500},
				},
			})
		}},
	}
	ids := make([]string, len(kinds))
	for i, k := range kinds {
		info, err := k.start()
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end); info, err = k.start() {
			time.Sleep(50 * time.Millisecond) // a track is there when its first packet is
		}
		if err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		ids[i] = info.EgressId
	}
	for _, id := range ids {
		s.await(id, livekit.EgressStatus_EGRESS_ACTIVE)
	}
	time.Sleep(*length)
	for _, id := range ids {
		if _, err := s.api.StopEgress(t.Context(), &livekit.StopEgressRequest{EgressId: id}); err != nil {
			t.Fatal(err)
		}
	}
	late := c.lateness()
	t.Logf("frames were sent %v late at most", late.Round(100*time.Microsecond))
	for i, id := range ids {
		info := s.await(id, livekit.EgressStatus_EGRESS_COMPLETE)
		path := ""
		if len(info.FileResults) > 0 {
			path = info.FileResults[0].Location
		} else {
			path = info.SegmentResults[0].PlaylistLocation
		}
		flashes, beeps := clapsOf(t, path)
		m := measure(flashes, beeps)
		if want := int(length.Seconds()) - 2; m.count < want {
			t.Errorf("%s: %d flashes with a beep, want %d", kinds[i].name, m.count, want)
			continue
		}
		t.Logf("%s: beeps after their flashes by %v at the median, %v to %v; p99 of the distance %v; drift %v; %d of them",
			kinds[i].name, m.median, m.least, m.most, m.p99, m.drift, m.count)
		if m.median.Abs() > inStep+late {
			t.Errorf("%s: beeps come %v after their flashes", kinds[i].name, m.median)
		}
	}
}

// steps is how much later than their flashes beeps are.
type steps struct {
	count                    int
	median, least, most, p99 time.Duration // p99 is of how far, whichever is first
	drift                    time.Duration // the median of the last quarter less that of the first
}

func measure(flashes, beeps []time.Duration) (m steps) {
	var by []time.Duration
	for _, flash := range flashes {
		best := time.Second
		for _, beep := range beeps {
			if d := beep - flash; d.Abs() < best.Abs() {
				best = d
			}
		}
		if best.Abs() < 400*time.Millisecond {
			by = append(by, best)
		}
	}
	if m.count = len(by); m.count == 0 {
		return m
	}
	median := func(all []time.Duration) time.Duration {
		all = slices.Sorted(slices.Values(all))
		return all[len(all)/2]
	}
	quarter := (len(by) + 3) / 4
	m.median, m.least, m.most = median(by), slices.Min(by), slices.Max(by)
	m.drift = median(by[len(by)-quarter:]) - median(by[:quarter])
	var far []time.Duration
	for _, d := range by {
		far = append(far, d.Abs())
	}
	slices.Sort(far)
	m.p99 = far[len(far)*99/100]
	return m
}

func TestStepsAreMeasured(t *testing.T) {
	ms := func(all ...int) (d []time.Duration) {
		for _, n := range all {
			d = append(d, time.Duration(n)*time.Millisecond)
		}
		return d
	}
	m := measure(ms(500, 1500, 2500, 3500, 9000), ms(510, 1490, 2530, 3530))
	if m.count != 4 || m.median != 30*time.Millisecond || m.least != -10*time.Millisecond || m.p99 != 30*time.Millisecond || m.drift != 20*time.Millisecond {
		t.Errorf("%+v", m)
	}
}
