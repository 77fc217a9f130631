package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"

	rtc "github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// recorded is a participant with a camera and a microphone that is recorded as it
// is: what its worker costs, and how soon media is on the disk.
type recorded struct {
	bitrate int // of the camera, bit/s
	starts  int // recordings that are begun, one after the other
}

const (
	recordedWidth, recordedHeight = 1280, 720
	recordedRate                  = 30 // frames a second
	recordedKeys                  = 2 * time.Second
	recordedAudio                 = 160                     // bytes of a packet, 50 a second
	apart                         = 1500 * time.Millisecond // a recording from the next; the server has a worker ready after a second
	settled                       = 3 * time.Second         // a worker gives back what its start needed after two
)

// egressAt is the API of recordings at a URL.
func egressAt(url string) (livekit.Egress, error) {
	access, err := mint("", &token.VideoGrant{RoomRecord: true})
	if err != nil {
		return nil, err
	}
	return livekit.NewEgressProtobufClient(url, &bearing{"Bearer " + access}), nil
}

func (r recorded) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	leave, err := r.publish(ctx, t.url)
	if err != nil {
		return o, err
	}
	defer leave()
	egress, err := egressAt(t.url)
	if err != nil {
		return o, err
	}
	var soon []time.Duration
	for range r.starts {
		if err := sleep(ctx, b.scaled(apart)); err != nil {
			return o, err
		}
		took, err := r.begin(ctx, egress, nil)
		if err != nil {
			return o, err
		}
		soon = append(soon, took)
	}
	o.addStarts(soon)

	r0, err := t.read()
	if err != nil {
		return o, err
	}
	_, err = r.begin(ctx, egress, func(id string) error { return r.cost(ctx, b, id, &o) })
	if err != nil {
		return o, err
	}
	r1, err := t.read()
	o.noise = r1.machine.since(r0.machine)
	return o, err
}

// cost measures the worker of a recording.
func (r recorded) cost(ctx context.Context, b *bench, id string, o *outcome) error {
	pid, err := workerOf(id)
	if err != nil {
		return err
	}
	if err := sleep(ctx, b.scaled(settled)); err != nil {
		return err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	var resident int64
	began := time.Now()
	for time.Since(began) < 2*b.window {
		if err := sleep(ctx, b.scaled(time.Second)); err != nil {
			return err
		}
		now, err := residentBytes(pid)
		if err != nil {
			return err
		}
		resident = max(resident, now)
	}
	after, err1 := cpuTime(pid)
	share, own, err2 := sharedBytes(pid)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	o.add("CPU of a recorded minute", "s", (after-before).Seconds()*time.Minute.Seconds()/time.Since(began).Seconds())
	o.add("RSS of the worker, at most", "MiB", float64(resident)/(1<<20))
	o.add("PSS of the worker", "MiB", float64(share)/(1<<20))
	o.add("memory of the worker's own", "MiB", float64(own)/(1<<20))
	return nil
}

// begin records the participant as take does.
func (r recorded) begin(ctx context.Context, egress livekit.Egress, meanwhile func(id string) error) (time.Duration, error) {
	return take(ctx, egress, func() (*livekit.EgressInfo, error) {
		return egress.StartParticipantEgress(ctx, &livekit.ParticipantEgressRequest{
			RoomName: "studio", Identity: "speaker",
			FileOutputs: []*livekit.EncodedFileOutput{{Filepath: fmt.Sprintf("take-%d", time.Now().UnixNano())}},
		})
	}, meanwhile)
}

// take begins a recording, waits until media is in its file, calls meanwhile, and
// ends it. It returns how long the media took.
func take(ctx context.Context, egress livekit.Egress, start func() (*livekit.EgressInfo, error), meanwhile func(id string) error) (time.Duration, error) {
	began := time.Now()
	info, err := start()
	if err != nil {
		return 0, err
	}
	var took time.Duration
	path := info.FileResults[0].Location
	err = poll(ctx, func() (bool, error) {
		// A header alone is a few hundred bytes; a frame has thousands.
		s, err := os.Stat(path)
		took = time.Since(began)
		return err == nil && s.Size() > 4000, nil
	})
	if err == nil && meanwhile != nil {
		err = meanwhile(info.EgressId)
	}
	_, stopped := egress.StopEgress(ctx, &livekit.StopEgressRequest{EgressId: info.EgressId})
	return took, errors.Join(err, stopped, poll(ctx, func() (bool, error) {
		list, err := egress.ListEgress(ctx, &livekit.ListEgressRequest{Active: true})
		return err == nil && len(list.Items) == 0, err
	}))
}

// addStarts adds how soon media was on the disk.
func (o *outcome) addStarts(soon []time.Duration) {
	slices.Sort(soon)
	o.add("StartEgress to media on disk, p50", "ms", soon[len(soon)/2].Seconds()*1e3)
	o.add("StartEgress to media on disk, p95", "ms", soon[len(soon)*95/100].Seconds()*1e3)
}

// publish has the participant send until leave. The frames are as large as they
// should be, and begin as VP8 does (RFC 6386 §9.1); nobody decodes them.
func (r recorded) publish(ctx context.Context, url string) (leave func(), err error) {
	access, err := mint("speaker", &token.VideoGrant{RoomJoin: true, Room: "studio"})
	if err != nil {
		return nil, err
	}
	room, err := rtc.Connect(ctx, url, access, rtc.Options{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var sending sync.WaitGroup
	leave = func() {
		cancel()
		sending.Wait()
		_ = room.Disconnect(context.WithoutCancel(ctx))
	}
	picture, sound := rtc.NewLocalTrack(rtc.VP8), rtc.NewLocalTrack(rtc.Opus)
	var wanted atomic.Bool
	wanted.Store(true)
	picture.OnKeyFrameRequest(func() { wanted.Store(true) })
	for _, track := range []*rtc.LocalTrack{picture, sound} {
		o := rtc.PublishOptions{}
		if track == picture {
			o.Width, o.Height = recordedWidth, recordedHeight
		}
		if _, err := room.Local().Publish(ctx, o, track); err != nil {
			leave()
			return nil, err
		}
	}
	frame := make([]byte, r.bitrate/8/recordedRate)
	_, _ = rand.Read(frame)
	key := slices.Concat([]byte{0x10, 0, 0, 0x9d, 0x01, 0x2a,
		recordedWidth & 0xff, recordedWidth >> 8, recordedHeight & 0xff, recordedHeight >> 8}, frame)
	frame[0] = 0x11 // not a key frame
	write := func(every time.Duration, sample func(n int) rtc.Sample, track *rtc.LocalTrack) {
		sending.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					_ = track.WriteSample(sample(n)) // dropped while it reconnects
				}
			}
		})
	}
	write(time.Second/recordedRate, func(n int) rtc.Sample {
		s := rtc.Sample{Data: frame, Duration: time.Second / recordedRate}
		if n%int(recordedKeys.Seconds()*recordedRate) == 0 || wanted.Swap(false) {
			s.Data = key
		}
		return s
	}, picture)
	speech := append([]byte{0xf8}, frame[:recordedAudio]...)
	write(20*time.Millisecond, func(int) rtc.Sample {
		return rtc.Sample{Data: speech, Duration: 20 * time.Millisecond}
	}, sound)
	return leave, nil
}
