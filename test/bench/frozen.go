package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// frozen is a call that is recorded by workers that are stopped: first nobody
// records, then workers do that do not read, until their buffers are full, then
// nobody again.
type frozen struct {
	forwarding
	workers int
}

// filling is how long a camera takes to fill a worker's buffer.
const filling = 25 * time.Second

// delays are how long packets take from their publisher to subscribers.
type delays struct {
	mu      sync.Mutex
	bursts  map[uint32]time.Time // by RTP timestamp: when its first packet was sent
	latest  uint32
	offsets map[uint64]uint32 // of a socket's SSRC: its timestamps less the publisher's
	took    []time.Duration   // since the last take
}

func newDelays() *delays {
	return &delays{bursts: make(map[uint32]time.Time), offsets: make(map[uint64]uint32)}
}

func (d *delays) sent(timestamp uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.bursts[timestamp]; !ok {
		d.bursts[timestamp], d.latest = time.Now(), timestamp
	}
}

// arrived takes a packet at a subscriber. The first of a subscriber is of the last
// burst: bursts are much further apart than packets take.
func (d *delays) arrived(subscriber uint64, b []byte) {
	now := time.Now()
	timestamp, ssrc := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.bursts) == 0 {
		return
	}
	key := subscriber<<32 | uint64(ssrc)
	offset, ok := d.offsets[key]
	if !ok {
		offset = timestamp - d.latest
		d.offsets[key] = offset
	}
	if at, ok := d.bursts[timestamp-offset]; ok {
		d.took = append(d.took, now.Sub(at))
	}
}

// take returns the delays since the last call, in order of size; d may be nil.
func (d *delays) take() []time.Duration {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	took := d.took
	d.took = nil
	slices.Sort(took)
	return took
}

func (f frozen) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	c := &call{delays: newDelays()}
	defer c.end()
	if err := f.begin(ctx, t.url, c); err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	phase := func(name string) (time.Duration, error) {
		c.delays.take()
		if err := sleep(ctx, b.window); err != nil {
			return 0, err
		}
		took := c.delays.take()
		if len(took) < 100 {
			return 0, fmt.Errorf("%s: %d packets arrived", name, len(took))
		}
		p99 := took[len(took)*99/100]
		o.add("burst to subscriber, p50, "+name, "ms", took[len(took)/2].Seconds()*1e3)
		o.add("burst to subscriber, p99, "+name, "ms", p99.Seconds()*1e3)
		return p99, nil
	}
	before, err := phase("nobody records")
	if err != nil {
		return o, err
	}
	stop, err := f.freeze(ctx, t)
	defer stop()
	if err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(filling)); err != nil {
		return o, err
	}
	with, err := phase(fmt.Sprint(f.workers, " frozen workers"))
	if err != nil {
		return o, err
	}
	stop()
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	after, err := phase("nobody records again")
	if err != nil {
		return o, err
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	o.noise = r1.machine.since(r0.machine)
	o.add("p99 with frozen workers less without", "ms", (with-(before+after)/2).Seconds()*1e3)
	return o, nil
}

// freeze has workers record the publisher's track, and stops them. stop kills them
// and waits until the server knows.
func (f frozen) freeze(ctx context.Context, t *target) (stop func(), err error) {
	access, err := mint("", &token.VideoGrant{RoomRecord: true, RoomAdmin: true, Room: "call"})
	if err != nil {
		return func() {}, err
	}
	as := &bearing{"Bearer " + access}
	rooms, egress := livekit.NewRoomServiceProtobufClient(t.url, as), livekit.NewEgressProtobufClient(t.url, as)
	var pids []int
	var ids []string
	stop = sync.OnceFunc(func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = poll(ctx, func() (bool, error) {
			list, err := egress.ListEgress(ctx, &livekit.ListEgressRequest{Active: true})
			return err != nil || len(list.Items) == 0, nil
		})
	})
	publisher, err := rooms.GetParticipant(ctx, &livekit.RoomParticipantIdentity{Room: "call", Identity: "publisher0"})
	if err != nil {
		return stop, err
	}
	if len(publisher.Tracks) != 1 {
		return stop, errors.New("the publisher has no track")
	}
	for range f.workers {
		info, err := egress.StartTrackEgress(ctx, &livekit.TrackEgressRequest{
			RoomName: "call", TrackId: publisher.Tracks[0].Sid,
			Output: &livekit.TrackEgressRequest_File{File: &livekit.DirectFileOutput{}},
		})
		if err != nil {
			return stop, err
		}
		ids = append(ids, info.EgressId)
	}
	if err := poll(ctx, func() (bool, error) {
		list, err := egress.ListEgress(ctx, &livekit.ListEgressRequest{Active: true})
		if err != nil {
			return false, err
		}
		active := 0
		for _, info := range list.Items {
			if info.Status == livekit.EgressStatus_EGRESS_ACTIVE {
				active++
			}
		}
		return active == f.workers, nil
	}); err != nil {
		return stop, err
	}
	for _, id := range ids {
		pid, err := workerOf(id)
		if err != nil {
			return stop, err
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return stop, err
		}
	}
	return stop, nil
}

// workerOf is the process that records: the job's id is its last argument.
func workerOf(egressID string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		line, err := os.ReadFile(name)
		if err == nil && strings.HasSuffix(string(line), "\x00"+egressID+"\x00") {
			return strconv.Atoi(filepath.Base(filepath.Dir(name)))
		}
	}
	return 0, fmt.Errorf("no worker of %s runs", egressID)
}

// bearing is an HTTP client with a token.
type bearing struct{ header string }

// Do implements livekit.HTTPClient.
func (b *bearing) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", b.header)
	return http.DefaultClient.Do(req)
}
