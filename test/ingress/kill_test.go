package ingress

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// The server is killed while there are sources of each kind, buffering and
// publishing: within 5 s of the next start each has one end, and encoders that come
// again are seen again.
func TestKillOfTheServerEndsEachSourceOnce(t *testing.T) {
	t.Parallel()
	need(t)
	sink := webhooksink.New(map[string]string{apiKey: apiSecret})
	hooks := httptest.NewServer(sink)
	t.Cleanup(func() { sink.Close(); hooks.Close() })
	p := process(t, build(t), fmt.Sprintf("webhook: {api_key: %s, urls: [%q]}", apiKey, hooks.URL))

	dir := t.TempDir()
	makeFile(t, filepath.Join(dir, "scene.mp4"), lavfi(10, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "60", "-c:a", "aac")...)
	makeFile(t, filepath.Join(dir, "film.mp4"), "-stream_loop", "11", "-i", filepath.Join(dir, "scene.mp4"), "-c", "copy")
	makeFile(t, filepath.Join(dir, "film.m3u8"), "-i", filepath.Join(dir, "film.mp4"), "-c", "copy", "-hls_time", "2", "-hls_list_size", "0")
	files := http.FileServer(http.Dir(dir))
	hung := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/hangs.") {
			select {
			case <-hung:
			case <-r.Context().Done():
			}
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { close(hung); web.Close() })

	room := func(name string) func(*livekit.CreateIngressRequest) {
		return func(r *livekit.CreateIngressRequest) { r.RoomName, r.ParticipantIdentity, r.Name = name, name, name }
	}
	byWHIP := func(r *livekit.CreateIngressRequest) { r.InputType = livekit.IngressInput_WHIP_INPUT }
	infos := map[string]*livekit.IngressInfo{
		"rtmp":         p.create(room("rtmp")),
		"rtmp-encoded": p.create(room("rtmp-encoded")),
		"rtmp-stalled": p.create(room("rtmp-stalled")),
		"whip":         p.create(room("whip"), byWHIP),
		"whip-early":   p.create(room("whip-early"), byWHIP),
		"url":          p.create(fromURL(web.URL+"/film.mp4"), room("url")),
		"url-early":    p.create(fromURL(web.URL+"/hangs.mp4"), room("url-early")),
		"hls":          p.create(fromURL(web.URL+"/film.m3u8"), room("hls")),
		"hls-early":    p.create(fromURL(web.URL+"/hangs.m3u8"), room("hls-early")),
		"srt":          p.create(fromURL(serveSRT(t, lavfi(120)...)), room("srt")),
	}
	wantStarted := map[string]int{"rtmp": 1, "rtmp-encoded": 1, "rtmp-stalled": 1, "whip": 1, "url": 1, "hls": 1, "srt": 1}
	idle := p.create(room("idle"))
	p.push(infos["rtmp"], card("320x180", 0, 120)...)
	p.push(infos["rtmp-encoded"], card("320x180", 2, 120)...)
	stalled := p.push(infos["rtmp-stalled"], card("320x180", 0, 120)...)
	p.whip(infos["whip"], true)
	p.whip(infos["whip-early"], false)
	is := func(name string, want livekit.IngressState_Status) {
		t.Helper()
		eventually(t, name+" is "+want.String(), func() bool { return p.state(infos[name].IngressId).Status == want })
	}
	for name := range infos {
		if wantStarted[name] > 0 {
			is(name, livekit.IngressState_ENDPOINT_PUBLISHING)
		}
	}
	pause(t, stalled.cmd.Process)
	// One that is connected, and whose encoder waits for a minute's pictures before the
	// first: such a source is given up after a while.
	infos["srt-early"] = p.create(fromURL(serveSRT(t, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=1/60")), room("srt-early"))
	for _, name := range []string{"rtmp-stalled", "whip-early", "url-early", "hls-early", "srt-early"} {
		is(name, livekit.IngressState_ENDPOINT_BUFFERING)
	}
	sessions := make(map[string]string)
	for name, info := range infos {
		sessions[name] = p.state(info.IngressId).ResourceId
	}
	children := childrenOf(p.pid)
	if len(children) < 10 { // four encode, at least, and six fetch
		t.Errorf("%d children", len(children))
	}

	p.kill()
	resume(t, stalled.cmd.Process)
	began := time.Now()
	p.run()
	ended := func() map[string][]*livekit.IngressState { return told(sink, "ingress_ended") }
	eventually(t, "each has ended", func() bool { return len(ended()) == len(infos) })
	started := told(sink, "ingress_started")
	for name, info := range infos {
		if n := len(started[sessions[name]]); n != wantStarted[name] {
			t.Errorf("%s: %d ingress_started", name, n)
		}
		ends := ended()[sessions[name]]
		if len(ends) != 1 {
			t.Errorf("%s: %d ingress_ended", name, len(ends))
			continue
		}
		if at := time.Unix(0, ends[0].EndedAt); at.Before(began) || at.Sub(began) > 5*time.Second {
			t.Errorf("%s: it ended %v after the start", name, at.Sub(began))
		}
		if ends[0].Status != livekit.IngressState_ENDPOINT_ERROR || !strings.Contains(ends[0].Error, "the server ended") {
			t.Errorf("%s: %s: %s", name, ends[0].Status, ends[0].Error)
		}
		is(name, livekit.IngressState_ENDPOINT_ERROR)
		if at := p.state(info.IngressId).EndedAt; at != ends[0].EndedAt {
			t.Errorf("%s: the API says %d", name, at)
		}
	}
	if status := p.state(idle.IngressId).Status; status != livekit.IngressState_ENDPOINT_INACTIVE {
		t.Errorf("the endpoint that nobody used is %s", status)
	}
	for _, pid := range children {
		eventually(t, "child "+pid+" is gone", func() bool { return !alive(pid) })
	}

	// Encoders that come again are let in.
	v := p.view("rtmp-encoded")
	again := p.push(infos["rtmp-encoded"], card("320x180", 2, 120)...)
	p.whip(infos["whip"], true)
	is("rtmp-encoded", livekit.IngressState_ENDPOINT_PUBLISHING)
	is("whip", livekit.IngressState_ENDPOINT_PUBLISHING)
	eventually(t, "pictures", func() bool { return v.got(video).frames > 60 && v.got(audio).frames > 60 })

	// What encodes is killed: the reason is told, and the next source has another.
	session := p.state(infos["rtmp-encoded"].IngressId).ResourceId
	for _, pid := range childrenOf(p.pid) {
		end(t, pid)
	}
	is("rtmp-encoded", livekit.IngressState_ENDPOINT_ERROR)
	if text := p.state(infos["rtmp-encoded"].IngressId).Error; !strings.Contains(text, "ffmpeg") {
		t.Error(text)
	}
	_ = again.cmd.Wait()
	eventually(t, "its end", func() bool { return len(ended()[session]) == 1 })
	before := v.got(video).frames
	p.push(infos["rtmp-encoded"], card("320x180", 2, 120)...)
	eventually(t, "pictures again", func() bool { return v.got(video).frames > before+60 })

	// So is one that hangs, after a while.
	for _, pid := range childrenOf(p.pid) {
		freeze(t, pid)
	}
	is("rtmp-encoded", livekit.IngressState_ENDPOINT_ERROR)
	if text := p.state(infos["rtmp-encoded"].IngressId).Error; !strings.Contains(text, "ffmpeg has taken nothing") {
		t.Error(text)
	}
	eventually(t, "its end", func() bool { return len(ended()) == len(infos)+2 })
	for session, ends := range ended() {
		if len(ends) != 1 {
			t.Errorf("session %s has %d ends", session, len(ends))
		}
	}
}

// told are the states in verified webhooks of that name, by session.
func told(sink *webhooksink.Sink, name string) map[string][]*livekit.IngressState {
	all := make(map[string][]*livekit.IngressState)
	for _, d := range sink.Accepted() {
		if state := d.Event.GetIngressInfo().GetState(); d.Name() == name {
			all[state.ResourceId] = append(all[state.ResourceId], state)
		}
	}
	return all
}
