//go:build unix

package source

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// keyHEVC is the first picture of an encoder of ffmpeg's, as units that have their
// lengths before them.
func keyHEVC(t testing.TB, size string) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	stream, err := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=s="+size,
		"-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "libx265", "-x265-params", "log-level=none", "-f", "hevc", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	var units h264.AnnexB
	if err := units.Unmarshal(stream); err != nil {
		t.Fatal(err)
	}
	b, err := h264.AVCC(units).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParameterSetsOfH265AreToldOnceEach(t *testing.T) {
	tags, err := taggerOf(container.H265)
	if err != nil {
		t.Fatal(err)
	}
	key := keyHEVC(t, "322x182")
	bodies := tags.of(frames.Frame{Key: true, Data: key})
	if len(bodies) != 2 {
		t.Fatalf("%d tags", len(bodies))
	}
	config, err := flv.ParseVideo(bodies[0])
	if err != nil || config.Kind != flv.Config || config.Codec != flv.H265 {
		t.Fatal(config, err)
	}
	p, err := readPicture(config)
	if err != nil || p.width != 322 || p.height != 182 || len(p.params) != 3 || p.order != reordered { // as that encoder has it unless it is told
		t.Errorf("%+v %v", p, err)
	}
	frame, err := flv.ParseVideo(bodies[1])
	if err != nil || frame.Kind != flv.Frame || !frame.Key || frame.CTS != 0 || !bytes.Equal(frame.Data, key) {
		t.Errorf("%v %v %d", frame.Kind, err, frame.CTS)
	}
	if width, height := sizeOf(frame); width != 322 || height != 182 {
		t.Errorf("a key frame of %d x %d", width, height)
	}
	if n := len(tags.of(frames.Frame{Key: true, Data: key})); n != 1 {
		t.Errorf("the same again makes %d tags", n)
	}
	slice := append([]byte{0, 0, 0, 4}, 0x02, 1, 0xd0, 9)
	if n := len(tags.of(frames.Frame{Data: slice})); n != 1 {
		t.Errorf("a picture without makes %d tags", n)
	}
	if n := len(tags.of(frames.Frame{Key: true, Data: keyHEVC(t, "160x90")})); n != 2 {
		t.Errorf("other ones make %d tags", n)
	}
	for n := range min(len(key), 400) { // whatever is missing, nothing is read past its end
		_ = hevcConfig(key[:n])
		_, _ = sizeHEVC(key[:n])
	}
}

// The configuration is the one that ffmpeg makes of the same pictures, but for what it
// knows beside them.
func TestConfigurationOfH265IsThatOfFFmpeg(t *testing.T) {
	key := keyHEVC(t, "320x180")
	ours := hevcConfig(key)
	var units h264.AVCC
	if err := units.Unmarshal(key); err != nil {
		t.Fatal(err)
	}
	stream, err := h264.AnnexB(units).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "hevc", "-i", "pipe:0", "-c", "copy", "-tag:v", "hvc1", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "pipe:1")
	cmd.Stdin = bytes.NewReader(stream)
	file, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(file, []byte("hvcC"))
	if at < 4 {
		t.Fatal("no configuration")
	}
	theirs := file[at+4 : at-4+int(binary.BigEndian.Uint32(file[at-4:]))]
	if !bytes.Equal(ours[:13], theirs[:13]) || !bytes.Equal(ours[16:19], theirs[16:19]) {
		t.Errorf("% x\nwant\n% x", ours[:23], theirs[:23])
	}
}

// Whatever a client sends, what is made of it can be read.
func FuzzHEVCConfig(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x04\x40\x01\x0c\x01\x00\x00\x00\x04\x44\x01\xc1\x72"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = sizeHEVC(b)
		if config := hevcConfig(b); config != nil {
			if _, err := hevcParams(config); err != nil {
				t.Error(err)
			}
		}
	})
}
