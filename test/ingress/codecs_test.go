package ingress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"github.com/twitchtv/twirp"

	"github.com/rollcall-rtc/rollcall/internal/testkit/script"
)

// pictures is what ffprobe says of what came of video: how many decode, of which codec
// and size.
func pictures(t *testing.T, k kept) (n int, size string) {
	t.Helper()
	var stream bytes.Buffer
	format, begin := "", 0
	for i, end := range k.ends {
		frame := k.bytes[begin:end]
		begin = end
		switch k.codec {
		case "video/H265":
			format = "hevc"
		case "video/AV1":
			format = "obu"
			stream.Write([]byte{0x12, 0}) // a temporal delimiter, which packets leave out
		default:
			format = "ivf"
			if i == 0 {
				fourCC := map[string]string{"video/VP8": "VP80", "video/VP9": "VP90"}[k.codec]
				stream.WriteString("DKIF\x00\x00\x20\x00" + fourCC + "\x00\x00\x00\x00\x1e\x00\x00\x00\x01\x00\x00\x00" + strings.Repeat("\x00", 8))
			}
			stream.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(len(frame))), uint64(i)))
		}
		stream.Write(frame)
	}
	return decoded(t, format, stream.Bytes())
}

// toVP8 asks for two layers of VP8.
func toVP8(r *livekit.CreateIngressRequest) {
	r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Options{Options: &livekit.IngressVideoEncodingOptions{
		VideoCodec: livekit.VideoCodec_VP8, Layers: []*livekit.VideoLayer{
			{Quality: livekit.VideoQuality_LOW, Width: 160, Height: 90}, {Quality: livekit.VideoQuality_HIGH, Width: 320, Height: 180},
		},
	}}}
}

// What is asked for in VP8 comes in VP8, in its layers, whatever the source sends.
func TestVP8IsEncodedTo(t *testing.T) {
	t.Parallel()
	s := start(t)
	info := s.create(toVP8)
	v := s.view("show")
	p := s.push(info, card("320x180", 2, 60)...)
	eventually(t, "pictures and sound", func() bool { return v.got(video).frames > 60 && v.got(audio).frames > 60 })
	_ = p.cmd.Process.Kill()
	seen := v.got(video)
	if seen.codec != "video/VP8" || len(seen.track.Publication().Info().Layers) != 2 {
		t.Fatalf("%s in %v", seen.codec, seen.track.Publication().Info())
	}
	if n, _ := pictures(t, seen); n < 60 {
		t.Errorf("%d pictures of %d decode", n, seen.frames)
	}
}

// Without an encoder for VP8 who asks for it is told, and who sends, too.
func TestVP8ThatCannotBeEncodedToIsRefused(t *testing.T) {
	t.Parallel()
	need(t)
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all := fmt.Sprintf("exec %s \"$@\"\n", program)
	without := fmt.Sprintf("if [ \"$2\" = -encoders ]; then %s \"$@\" | grep -v libvpx; exit; fi\n", program) + all
	s := start(t, "ingress: {rtmp: {port: -1}, ffmpeg: "+script.Write(t, dir, "ffmpeg", without)+"}")
	req := &livekit.CreateIngressRequest{InputType: livekit.IngressInput_RTMP_INPUT, RoomName: "show", ParticipantIdentity: "encoder"}
	toVP8(req)
	_, err = s.api.CreateIngress(t.Context(), req)
	if refused, ok := errors.AsType[twirp.Error](err); !ok || refused.Code() != twirp.FailedPrecondition || !strings.Contains(refused.Msg(), "libvpx") {
		t.Errorf("%v", err)
	}
	script.Write(t, dir, "ffmpeg", all) // one that has it is installed
	info := s.create(toVP8)
	script.Write(t, dir, "ffmpeg", without) // and one that has not
	s.push(info, card("320x180", 0, 20)...)
	s.is(info, livekit.IngressState_ENDPOINT_ERROR)
	if e := s.state(info.IngressId).Error; !strings.Contains(e, "no encoder for VP8") {
		t.Error(e)
	}
}

// A client that says that it sends pictures, and has none yet, is heard at once, and
// seen when they come.
func TestSoundOfWHIPWaitsForNoPictures(t *testing.T) {
	t.Parallel()
	need(t)
	opus, heard := samples(t, "a.ogg", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "4", "-ac", "1", "-c:a", "libopus")
	codec, shown := samples(t, "a.ivf", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-t", "3", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")
	for _, mono := range []bool{false, true} { // as it comes, and encoded anew
		t.Run(fmt.Sprint("encoded: ", mono), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			change := []func(*livekit.CreateIngressRequest){encoded, toVP8}
			if mono {
				change = append(change, toMono)
			}
			info := s.create(change...)
			picture, sound := track(t, webrtc.NewTrackLocalStaticSample, codec, "picture"), track(t, webrtc.NewTrackLocalStaticSample, opus, "sound")
			v := s.view("show")
			c := s.call(info, sound, picture)
			c.sound(sound, heard)
			s.is(info, livekit.IngressState_ENDPOINT_PUBLISHING)
			eventually(t, "sound", func() bool { return v.got(audio).frames > 100 })
			if state := s.state(info.IngressId); len(state.Tracks) != 1 || state.Video != nil {
				t.Errorf("without pictures: %v", state)
			}
			before := v.got(audio)
			c.sound(picture, shown) // the same for pictures
			eventually(t, "pictures", func() bool { return v.got(video).frames > 30 })
			eventually(t, "both are named", func() bool { return len(s.state(info.IngressId).Tracks) == 2 })
			eventually(t, "sound beside pictures", func() bool { return v.got(audio).frames > before.frames+40 })
			if n := v.got(audio).tracks; n != 1 {
				t.Errorf("sound comes of %d tracks", n)
			}
			if seen := v.got(video); seen.codec != "video/VP8" {
				t.Errorf("pictures are %s", seen.codec)
			}
			// Nothing of sound is left out on the way from the first packet on.
			wantSteps(t, "sound", v.got(audio).stamps, 48_000, 60)
		})
	}
}
