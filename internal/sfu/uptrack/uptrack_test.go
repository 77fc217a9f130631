package uptrack

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
)

func TestPacketsReachEverySinkInOrderAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		firsts := 0
		r := newRig(t, Options{Codec: vp8, OnFirstPacket: func() { firsts++ }})
		f := r.publish(StreamInfo{SSRC: 7, PayloadType: 96})
		other := new(recorder)
		r.u.Attach(r.sink)
		r.u.Attach(r.sink)
		r.u.Attach(other)
		f.frame(true, 2)
		dup := f.next(false, 0)
		f.send(dup)
		f.send(dup)
		const base = 1<<16 | 65530
		want := []received{
			{0, 0, base, 0, true, []byte{0x10, 0x00}},
			{0, 0, base + 1, 0, false, []byte{0x00, 0xaa}},
			{0, 0, base + 2, 3000, false, []byte{0x10, 0x01}},
		}
		for _, s := range []*recorder{r.sink, other} {
			if diff := cmp.Diff(want, s.take()); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		r.u.Detach(r.sink)
		f.frame(false, 1)
		if len(r.sink.take()) != 0 || len(other.take()) != 1 {
			t.Fatal("detaching one sink did not leave the other")
		}
		if firsts != 1 {
			t.Fatalf("first packet announced %d times", firsts)
		}
		f.end()
		end(r.u)
		if play(r.u, StreamInfo{}, newPipe()) {
			t.Fatal("a closed track took a stream")
		}
	})
}

func TestLostPacketIsAskedForUntilItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8, NACK: true, RTT: func() time.Duration { return 200 * time.Millisecond }})
		f := r.publish(StreamInfo{SSRC: 7})
		r.u.Attach(r.sink)
		f.frame(true, 1)
		f.frame(false, 1)
		lost := f.next(false, 0)
		f.send(f.next(false, 1))
		if got := r.nacked(); !slices.Equal(got, []uint16{lost.SequenceNumber}) {
			t.Fatalf("asked for %v, want %d", got, lost.SequenceNumber)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if got := r.nacked(); len(got) > 0 {
			t.Fatalf("asked again for %v before the answer can be there", got)
		}
		time.Sleep(60 * time.Millisecond) // no packet comes; the timer asks again
		synctest.Wait()
		if got := r.nacked(); !slices.Equal(got, []uint16{lost.SequenceNumber}) {
			t.Fatalf("asked again for %v", got)
		}
		r.sink.take()
		f.send(lost)
		if got := r.sink.take(); len(got) != 1 || uint16(got[0].Seq) != lost.SequenceNumber {
			t.Fatalf("recovered packet not forwarded: %+v", got)
		}
		time.Sleep(500 * time.Millisecond)
		if got := r.nacked(); len(got) != 0 {
			t.Fatalf("still asks for %v", got)
		}
		if s := r.u.Stats().Layers[0]; s.Recovered != 1 || s.NACKs != 2 || s.Lost != 0 {
			t.Fatalf("stats %+v", s)
		}
		f.end()
		end(r.u)
	})
}

func TestRoundTripIsThatOfTheConnectionIfItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, nack := range []bool{false, true} {
			var told time.Duration
			r := newRig(t, Options{Codec: vp8, NACK: nack, RTT: func() time.Duration { return told }})
			f := r.publish(StreamInfo{SSRC: 7})
			f.frame(true, 1)
			f.frame(false, 1)
			lost := f.next(false, 0)
			f.send(f.next(false, 1))
			time.Sleep(30 * time.Millisecond)
			f.send(lost)
			measured := 30 * time.Millisecond
			if !nack {
				measured = 0
			}
			for _, told = range []time.Duration{0, 200 * time.Millisecond, 10 * time.Millisecond, 0} {
				want := told
				if told == 0 {
					want = measured
				}
				if got := r.u.Stats().Layers[0].RTT; got != want {
					t.Errorf("NACK %t, told %v: %v, want %v", nack, told, got, want)
				}
			}
			f.end()
			end(r.u)
		}
	})
}

func TestWithoutNACKNothingIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		f := r.publish(StreamInfo{SSRC: 7})
		f.frame(true, 1)
		f.seq += 3
		f.frame(false, 1)
		if got := r.nacked(); len(got) != 0 {
			t.Fatalf("asked for %v", got)
		}
		if s := r.u.Stats().Layers[0]; s.Lost != 3 {
			t.Fatalf("lost %d", s.Lost)
		}
		f.end()
		end(r.u)
	})
}

func TestKeyframeEndsTheWaitForOlderPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8, NACK: true})
		f := r.publish(StreamInfo{SSRC: 7})
		f.frame(true, 1)
		f.seq++ // lost
		f.frame(false, 1)
		f.seq++ // lost: may belong to the key frame
		r.nacked()
		f.frame(true, 1)
		kept := f.seq - 2
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		asked := r.nacked()
		if !slices.Contains(asked, kept) {
			t.Fatalf("asked for %v, not for what may be of the key frame", asked)
		}
		for _, seq := range asked {
			if seq != kept {
				t.Fatalf("asked for %d after the key frame", seq)
			}
		}
		f.end()
		end(r.u)
	})
}

func TestKeyframeRequestsAreThrottledPerLayerAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		q := r.publish(StreamInfo{RID: "q", SSRC: 1})
		f := r.publish(StreamInfo{RID: "f", SSRC: 3})
		q.frame(false, 1)
		f.frame(false, 1)
		plis := func() (ssrcs []uint32) {
			for _, p := range of[*rtcp.PictureLossIndication](r.feedback()) {
				ssrcs = append(ssrcs, p.MediaSSRC)
			}
			return ssrcs
		}
		for range 10 {
			r.u.RequestKeyframe(2)
			r.u.RequestKeyframe(0)
		}
		if got := plis(); !slices.Equal(got, []uint32{3, 1}) {
			t.Fatalf("requests to %v", got)
		}
		q.frame(true, 1) // answers one
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if got := plis(); !slices.Equal(got, []uint32{3}) {
			t.Fatalf("repeats to %v", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := len(plis()); got < 2 || got > 10 {
			t.Fatalf("%d repeats with nobody asking again", got)
		}
		f.frame(true, 1)
		r.u.RequestKeyframe(1) // not published: the one below is sent
		if got := plis(); !slices.Equal(got, []uint32{1}) {
			t.Fatalf("request to %v", got)
		}
		if s := r.u.Stats(); s.Layers[0].Keyframes != 1 || s.Layers[1].Keyframes != 1 {
			t.Fatalf("stats %+v", s)
		}
		q.end()
		f.end()
		end(r.u)
	})
}

func TestRequestsOfAudioAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: opus})
		f := r.publish(StreamInfo{SSRC: 1})
		f.send(f.packet(1))
		r.u.Attach(r.sink)
		r.u.RequestKeyframe(0)
		if got := r.feedback(); len(got) != 0 {
			t.Fatalf("sent %v", got)
		}
		f.end()
		end(r.u)
	})
}

func TestReceiverReportsGoOutEachSecondWhilePacketsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8, SenderSSRC: 99})
		q := r.publish(StreamInfo{RID: "q", SSRC: 1})
		f := r.publish(StreamInfo{RID: "f", SSRC: 3})
		for range 150 { // 10 s
			q.frame(false, 1)
			f.frame(false, 1)
		}
		reports := of[*rtcp.ReceiverReport](r.feedback())
		if n := len(reports); n < 9 || n > 11 {
			t.Fatalf("%d reports in 10 s", n)
		}
		last := reports[len(reports)-1]
		if last.SSRC != 99 || len(last.Reports) != 2 || last.Reports[0].SSRC != 1 || last.Reports[1].SSRC != 3 {
			t.Fatalf("report %+v", last)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(of[*rtcp.ReceiverReport](r.feedback())); n > 1 {
			t.Fatalf("%d reports about a silent track", n)
		}
		q.frame(false, 1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(of[*rtcp.ReceiverReport](r.feedback())); n != 1 {
			t.Fatalf("%d reports after the silence", n)
		}
		q.end()
		f.end()
		end(r.u)
	})
}

func TestMuteStopsForwardingAndBeginsAnEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		f := r.publish(StreamInfo{SSRC: 7})
		r.u.Attach(r.sink)
		f.frame(true, 1)
		r.u.SetMuted(true)
		f.frame(false, 1)
		if got := r.sink.take(); len(got) != 1 {
			t.Fatalf("%d packets", len(got))
		}
		r.feedback()
		r.u.SetMuted(false)
		if len(of[*rtcp.PictureLossIndication](r.feedback())) != 1 {
			t.Fatal("no key frame was asked for")
		}
		f.frame(false, 1)
		if got := r.sink.take(); len(got) != 1 || got[0].Epoch != 1 {
			t.Fatalf("after the mute: %+v", got)
		}
		f.end()
		end(r.u)
	})
}

func TestAnotherSSRCOrAJumpBeginsAnEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8, NACK: true})
		f := r.publish(StreamInfo{SSRC: 7})
		r.u.Attach(r.sink)
		f.frame(true, 1)
		f.ssrc, f.seq = 8, 100
		f.frame(true, 1)
		f.seq = 30000
		f.frame(false, 1) // not believed yet
		f.frame(true, 1)
		f.frame(false, 1)
		got := r.sink.take()
		if len(got) != 4 {
			t.Fatalf("%d packets: %+v", len(got), got)
		}
		for i, epoch := range []uint32{0, 1, 2, 2} {
			if got[i].Epoch != epoch || i > 0 && got[i].Seq <= got[i-1].Seq {
				t.Fatalf("packet %d: %+v after %+v", i, got[i], got[max(i-1, 0)])
			}
		}
		if n := r.nacked(); len(n) != 0 {
			t.Fatalf("asked for %v across the break", n)
		}
		f.end()
		end(r.u)
	})
}

func TestNewStreamOfARIDTakesTheLayerOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		a := r.publish(StreamInfo{RID: "h", SSRC: 1})
		r.u.Attach(r.sink)
		a.frame(true, 1)
		b := r.publish(StreamInfo{RID: "h", SSRC: 2})
		b.frame(true, 1)
		a.frame(false, 1)
		got := r.sink.take()
		if len(got) != 2 || got[1].Layer != 1 || got[1].Epoch != 1 {
			t.Fatalf("got %+v", got)
		}
		a.end()
		if s := r.u.Stats(); len(s.Layers) != 1 || !s.Layers[0].Live || s.Layers[0].SSRC != 2 {
			t.Fatalf("stats %+v", s)
		}
		b.end()
		if r.u.Stats().Layers[0].Live {
			t.Fatal("ended and live")
		}
		end(r.u)
	})
}

func TestForeignPacketsAreCountedAndDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		f := r.publish(StreamInfo{SSRC: 7, PayloadType: 96})
		r.u.Attach(r.sink)
		f.frame(true, 1)
		f.pt = 97
		f.frame(false, 1)
		f.pipe.packets <- []byte{0x80, 96, 0}
		f.pipe.packets <- nil
		synctest.Wait()
		if s := r.u.Stats().Layers[0]; s.Malformed != 3 || s.Packets != 1 {
			t.Fatalf("stats %+v", s)
		}
		f.end()
		end(r.u)
	})
}

// A datagram may have 64 KiB, and a thousand packets are kept.
func TestAPacketThatNoNetworkCarriesIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		in := r.u.AddStream(StreamInfo{SSRC: 7, PayloadType: 96})
		r.u.Attach(r.sink)
		raw := make([]byte, MaxPacket+1)
		raw[0], raw[1], raw[11], raw[12] = 0x80, 96, 7, 0x10
		in.Receive(raw, nil)
		if s := r.u.Stats().Layers[0]; s.Malformed != 1 || s.Packets != 0 {
			t.Errorf("stats %+v", s)
		}
		in.Receive(raw[:MaxPacket], nil)
		if got := r.sink.take(); len(got) != 1 || len(got[0].Payload) != MaxPacket-headerSize {
			t.Errorf("got %d packets", len(got))
		}
		in.End()
		end(r.u)
	})
}

func TestUnknownRIDsTakeFreeLayers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		feeds := []*feed{r.publish(StreamInfo{RID: "hi"}), r.publish(StreamInfo{RID: "lo"}),
			r.publish(StreamInfo{RID: "hi"}), r.publish(StreamInfo{RID: "q"}), r.publish(StreamInfo{RID: "f"}), r.publish(StreamInfo{RID: "h"})}
		var rids []string
		for _, l := range r.u.Stats().Layers {
			rids = append(rids, l.RID)
		}
		if diff := cmp.Diff([]string{"q", "h", "f"}, rids); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		for _, f := range feeds {
			f.end()
		}
		end(r.u)
	})
}

func TestTimestampsAreMappedThroughSenderReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := new(Clock)
		video := newRig(t, Options{Codec: vp8, Clock: clock})
		audio := newRig(t, Options{Codec: opus, Clock: clock})
		v := video.publish(StreamInfo{SSRC: 1})
		a := audio.publish(StreamInfo{SSRC: 2})
		v.frame(true, 1)
		a.send(a.packet(1))
		if _, ok := video.u.RTPTime(0, 1, time.Now()); ok {
			t.Fatal("a time without a report")
		}
		// The publisher's clock is an hour slow; reports take 30 and 80 ms.
		theirs := time.Now().Add(-time.Hour)
		time.Sleep(30 * time.Millisecond)
		video.u.HandleRTCP(1, []rtcp.Packet{&rtcp.SenderReport{SSRC: 1, NTPTime: rtpstats.NTP(theirs), RTPTime: 90000}})
		time.Sleep(50 * time.Millisecond)
		audio.u.HandleRTCP(2, []rtcp.Packet{&rtcp.SenderReport{SSRC: 2, NTPTime: rtpstats.NTP(theirs), RTPTime: 48000}})
		at := time.Now().Add(time.Second)
		tv, _ := video.u.RTPTime(0, 1, at)
		ta, _ := audio.u.RTPTime(0, 2, at)
		// 1.08 s after the report was made, less the 30 ms of the fastest.
		if dv, da := int(tv)-(90000+94500), int(ta)-(48000+50400); max(dv, -dv) > 2 || max(da, -da) > 2 {
			t.Fatalf("video %d, audio %d ticks off", dv, da)
		}
		if _, ok := video.u.RTPTime(0, 99, at); ok {
			t.Fatal("a time of an SSRC that is not there")
		}
		v.end()
		a.end()
		end(video.u)
		end(audio.u)
	})
}

func TestAudioLevelsBecomeSpeech(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var levels []uint8
		r := newRig(t, Options{Codec: opus, AudioLevelExt: 3, OnAudioLevel: func(level uint8, voice bool) {
			if voice {
				levels = append(levels, level)
			}
		}})
		f := r.publish(StreamInfo{SSRC: 1})
		for range 50 {
			p := f.packet(1, 2, 3)
			if err := p.SetExtension(3, []byte{0x80 | 15}); err != nil {
				t.Fatal(err)
			}
			f.send(p)
			f.ts += 960
			time.Sleep(20 * time.Millisecond)
		}
		if level, speaking := r.u.AudioLevel(time.Now()); !speaking || level < 0.1 || level > 0.2 {
			t.Fatalf("level %v, speaking %v", level, speaking)
		}
		if len(levels) != 50 || levels[0] != 15 {
			t.Fatalf("levels %v", levels)
		}
		r.u.SetMuted(true)
		if _, speaking := r.u.AudioLevel(time.Now()); speaking {
			t.Fatal("speaks while muted")
		}
		f.end()
		end(r.u)
	})
}

func TestRetrieveGivesBackWhatWasReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: vp8})
		f := r.publish(StreamInfo{RID: "f", SSRC: 1})
		r.u.Attach(r.sink)
		f.frame(true, 3)
		buf := make([]byte, 1500)
		var p Packet
		for _, want := range r.sink.take() {
			if !r.u.Retrieve(2, want.Seq, buf, &p) {
				t.Fatalf("packet %d is gone", want.Seq)
			}
			got := received{p.Layer, want.Epoch, p.Seq, p.Timestamp, want.Keyframe, p.Payload}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		if r.u.Retrieve(2, 5, buf, &p) || r.u.Retrieve(1, 5, buf, &p) || r.u.Retrieve(-1, 5, buf, &p) {
			t.Fatal("retrieved a packet that never was")
		}
		f.end()
		end(r.u)
	})
}

func TestDependencyDescriptorTellsKeyframesOfEncryptedVideo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Codec: Codec{MimeType: "video/AV1", ClockRate: 90000}, DependencyDescriptorExt: 5})
		f := r.publish(StreamInfo{SSRC: 1})
		r.u.Attach(r.sink)
		for i, dd := range [][]byte{{0x80, 0, 1, 0x80, 1}, {0x40, 0, 1}, {0xc0, 0, 2}} {
			p := f.packet(0xff, 0xff)
			if err := p.SetExtension(5, dd); err != nil {
				t.Fatal(err)
			}
			f.send(p)
			f.ts += 3000 * uint32(i)
		}
		got := r.sink.take()
		if !got[0].Keyframe || got[1].Keyframe || got[2].Keyframe {
			t.Fatalf("got %+v", got)
		}
		f.end()
		end(r.u)
	})
}
