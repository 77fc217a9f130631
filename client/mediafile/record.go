package mediafile

import (
	"context"
	"fmt"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/h264writer"
	"github.com/pion/webrtc/v4/pkg/media/h265writer"
	"github.com/pion/webrtc/v4/pkg/media/ivfwriter"
	"github.com/pion/webrtc/v4/pkg/media/oggwriter"

	"github.com/rollcall-rtc/rollcall/client"
)

// Writer writes a track that is received into a file.
type Writer interface {
	WriteRTP(p *rtp.Packet) error
	Close() error
}

// Create makes a file for a track of the codec. Its name is the path with what is
// usual for the format after it: .ogg, .ivf, .h264 or .h265.
func Create(path string, codec webrtc.RTPCodecCapability) (w Writer, name string, err error) {
	mime := strings.ToLower(codec.MimeType)
	switch mime {
	case strings.ToLower(webrtc.MimeTypeOpus):
		name = path + ".ogg"
		w, err = oggwriter.New(name, codec.ClockRate, max(codec.Channels, 1))
	case strings.ToLower(webrtc.MimeTypeVP8), strings.ToLower(webrtc.MimeTypeVP9), strings.ToLower(webrtc.MimeTypeAV1):
		name = path + ".ivf"
		w, err = ivfwriter.New(name, ivfwriter.WithCodec(codec.MimeType))
	case strings.ToLower(webrtc.MimeTypeH264):
		name = path + ".h264"
		w, err = h264writer.New(name)
	case strings.ToLower(webrtc.MimeTypeH265):
		name = path + ".h265"
		w, err = h265writer.New(name)
	default:
		return nil, "", fmt.Errorf("%w: %s", ErrCodec, codec.MimeType)
	}
	if err != nil {
		return nil, "", err
	}
	return w, name, nil
}

// Record writes what is received of a track until it ends, which is no error, or
// until ctx does. Damaged packets are left out.
func Record(ctx context.Context, track *client.RemoteTrack, w Writer) error {
	for p := range track.Packets(ctx) {
		if len(p.Payload) == 0 {
			continue
		}
		if err := w.WriteRTP(p.Clone()); err != nil { // the writer may keep it, and Packets uses it again
			return fmt.Errorf("record: %w", err)
		}
	}
	return ctx.Err()
}
