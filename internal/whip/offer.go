package whip

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/sdp/v3"

	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
)

const (
	// maxOffer is the longest offer that is read, in bytes.
	maxOffer = 256 << 10
	// maxSections is how many media sections it may have.
	maxSections = 8
)

// offer is a client's description, and the tracks in it.
type offer struct {
	text   string
	ufrag  string // of ICE
	pwd    string
	tracks []*livekit.AddTrackRequest
}

// naming is what tracks are called.
type naming struct {
	audioName, videoName     string
	audioSource, videoSource livekit.TrackSource // UNKNOWN: microphone and camera
}

// parseOffer reads an offer, and gives a track id to each section that has none. Its
// errors may be shown.
func parseOffer(body string, names naming) (*offer, error) {
	var d sdp.SessionDescription
	if !utf8.ValidString(body) { // RFC 8866 §5; others could not be told of the tracks
		return nil, errors.New("the body is no SDP: it is not in UTF-8")
	}
	if err := d.UnmarshalString(body); err != nil {
		return nil, fmt.Errorf("the body is no SDP: %.200s", err)
	}
	switch n := len(d.MediaDescriptions); {
	case n == 0:
		return nil, fmt.Errorf("the offer has no media sections")
	case n > maxSections:
		return nil, fmt.Errorf("the offer has %d media sections, the limit is %d", n, maxSections)
	}
	o := new(offer)
	o.ufrag, o.pwd = credentials(d.Attributes)
	seen := map[livekit.TrackType]int{}
	for i, m := range d.MediaDescriptions {
		if ufrag, pwd := credentials(m.Attributes); o.ufrag == "" {
			o.ufrag, o.pwd = ufrag, pwd
		}
		kind := livekit.TrackType_AUDIO
		switch strings.ToLower(m.MediaName.Media) {
		case "audio":
		case "video":
			kind = livekit.TrackType_VIDEO
		default:
			continue
		}
		if !sends(m, d.Attributes) {
			continue
		}
		o.tracks = append(o.tracks, announce(m, kind, i, seen[kind], names))
		seen[kind]++
	}
	switch {
	case len(o.tracks) == 0:
		return nil, fmt.Errorf("the offer has no section that sends audio or video")
	case o.ufrag == "" || o.pwd == "":
		return nil, fmt.Errorf("the offer has no ice-ufrag and ice-pwd")
	}
	text, err := d.Marshal()
	if err != nil {
		return nil, fmt.Errorf("the body is no SDP: %.200s", err)
	}
	o.text = string(text)
	return o, nil
}

// announce describes the track of a section as an SDK would; nth is how many of its
// kind there were before.
func announce(m *sdp.MediaDescription, kind livekit.TrackType, index, nth int, names naming) *livekit.AddTrackRequest {
	req := &livekit.AddTrackRequest{Cid: trackID(m, index), Type: kind}
	if kind == livekit.TrackType_AUDIO {
		req.Name, req.Source = names.audioName, names.audioSource
		switch {
		case nth > 0:
			req.Name, req.Source = "", livekit.TrackSource_SCREEN_SHARE_AUDIO
		case req.Source == livekit.TrackSource_UNKNOWN:
			req.Source = livekit.TrackSource_MICROPHONE
		}
		// What encoders send is no conversation: pauses in it are not for saving.
		req.DisableDtx = true //nolint:staticcheck // clients read it
		req.AudioFeatures = []livekit.AudioTrackFeature{livekit.AudioTrackFeature_TF_NO_DTX}
		if stereo(m) {
			req.Stereo = true //nolint:staticcheck // as above
			req.AudioFeatures = append(req.AudioFeatures, livekit.AudioTrackFeature_TF_STEREO)
		}
		return req
	}
	req.Name, req.Source = names.videoName, names.videoSource
	switch {
	case nth > 0:
		req.Name, req.Source = "", livekit.TrackSource_SCREEN_SHARE
	case req.Source == livekit.TrackSource_UNKNOWN:
		req.Source = livekit.TrackSource_CAMERA
	}
	req.Layers = layers(m)
	return req
}

// trackID is that of the section's msid. One is added if there is none.
func trackID(m *sdp.MediaDescription, index int) string {
	for i, a := range m.Attributes {
		if a.Key != sdp.AttrKeyMsid {
			continue
		}
		stream, track, _ := strings.Cut(a.Value, " ")
		if track = strings.TrimSpace(track); track != "" && len(track) <= 128 {
			return track
		}
		if stream == "" {
			stream = "-"
		}
		track = fmt.Sprintf("whip-%d", index)
		m.Attributes[i].Value = stream + " " + track
		return track
	}
	track := fmt.Sprintf("whip-%d", index)
	m.Attributes = append(m.Attributes, sdp.Attribute{Key: sdp.AttrKeyMsid, Value: "- " + track})
	return track
}

// layers describes the encodings of a section, one for each rid that it sends.
func layers(m *sdp.MediaDescription) (all []*livekit.VideoLayer) {
	var rids []string
	for _, a := range m.Attributes {
		rid, rest, _ := strings.Cut(a.Value, " ")
		if a.Key == "rid" && strings.HasPrefix(rest, "send") && len(rids) < layer.Max && !slices.Contains(rids, rid) {
			rids = append(rids, rid)
		}
	}
	if len(rids) < 2 {
		return nil
	}
	for i, n := range layer.Assign(rids) {
		all = append(all, &livekit.VideoLayer{Quality: livekit.VideoQuality(min(n, int(livekit.VideoQuality_HIGH))), Rid: rids[i]})
	}
	return all
}

// stereo says whether the section sends Opus with two channels (RFC 7587 §6.1).
func stereo(m *sdp.MediaDescription) bool {
	for _, a := range m.Attributes {
		if a.Key != "fmtp" {
			continue
		}
		_, parameters, _ := strings.Cut(a.Value, " ")
		for p := range strings.SplitSeq(parameters, ";") {
			if p = strings.TrimSpace(p); p == "stereo=1" || p == "sprop-stereo=1" {
				return true
			}
		}
	}
	return false
}

// sends says whether the author of a section sends there.
func sends(m *sdp.MediaDescription, session []sdp.Attribute) bool {
	_, bundled := m.Attribute("bundle-only")
	if m.MediaName.Port.Value == 0 && !bundled {
		return false
	}
	for _, attributes := range [][]sdp.Attribute{m.Attributes, session} {
		for _, a := range attributes {
			switch a.Key {
			case "sendonly", "sendrecv":
				return true
			case "recvonly", "inactive":
				return false
			}
		}
	}
	return true // RFC 8866 §6.7: sendrecv
}

func credentials(attributes []sdp.Attribute) (ufrag, pwd string) {
	for _, a := range attributes {
		switch a.Key {
		case "ice-ufrag":
			ufrag = a.Value
		case "ice-pwd":
			pwd = a.Value
		}
	}
	return ufrag, pwd
}

// restarted is the offer with other credentials of ICE, and without the candidates
// of the old ones.
func (o *offer) restarted(ufrag, pwd string) (*offer, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(o.text); err != nil {
		return nil, fmt.Errorf("BUG: read our own copy of an offer: %w", err)
	}
	d.Origin.SessionVersion++
	replace := func(attributes []sdp.Attribute) []sdp.Attribute {
		kept := attributes[:0]
		for _, a := range attributes {
			switch a.Key {
			case "ice-ufrag":
				a.Value = ufrag
			case "ice-pwd":
				a.Value = pwd
			case "candidate", "end-of-candidates":
				continue
			}
			kept = append(kept, a)
		}
		return kept
	}
	d.Attributes = replace(d.Attributes)
	for _, m := range d.MediaDescriptions {
		m.Attributes = replace(m.Attributes)
	}
	text, err := d.Marshal()
	if err != nil {
		return nil, fmt.Errorf("BUG: write our own copy of an offer: %w", err)
	}
	return &offer{text: string(text), ufrag: ufrag, pwd: pwd, tracks: o.tracks}, nil
}

// transportOf returns what an answer says of ICE, in its first section that is not
// rejected: the others are bundled with it.
func transportOf(answer string) (ufrag, pwd string, candidates []string, err error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(answer); err != nil {
		return "", "", nil, fmt.Errorf("BUG: read our own answer: %w", err)
	}
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Port.Value == 0 {
			continue
		}
		ufrag, pwd = credentials(m.Attributes)
		for _, a := range m.Attributes {
			if a.Key == "candidate" {
				candidates = append(candidates, a.Value)
			}
		}
		break
	}
	return ufrag, pwd, candidates, nil
}
