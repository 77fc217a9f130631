package peer

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

const (
	maxCandidateInit = 4096 // bytes of JSON
	maxCandidates    = 128  // of a client, between two of its descriptions
)

// remoteCandidate is a client's RTCIceCandidateInit.
type remoteCandidate struct {
	candidate string // without the "candidate:" prefix; empty ends the candidates
	ufrag     string // empty if not told
}

// parseCandidate reads an RTCIceCandidateInit. ok is false for what is well
// formed and of no use: the end of candidates and addresses hidden by mDNS.
func parseCandidate(init string) (c remoteCandidate, ok bool, err error) {
	if len(init) > maxCandidateInit {
		return c, false, fmt.Errorf("%w: %d bytes", ErrCandidate, len(init))
	}
	var in struct {
		Candidate        string  `json:"candidate"`
		UsernameFragment *string `json:"usernameFragment"`
	}
	if err := json.Unmarshal([]byte(init), &in); err != nil {
		return c, false, fmt.Errorf("%w: %v", ErrCandidate, err)
	}
	c.candidate = strings.TrimSpace(in.Candidate)
	c.candidate = strings.TrimPrefix(c.candidate, "a=")
	c.candidate = strings.TrimPrefix(c.candidate, "candidate:")
	if c.candidate == "" {
		return c, false, nil
	}
	fields := strings.Fields(c.candidate)
	if len(fields) < 8 {
		return c, false, fmt.Errorf("%w: %d fields", ErrCandidate, len(fields))
	}
	if strings.HasSuffix(fields[4], ".local") {
		return c, false, nil
	}
	parsed, err := ice.UnmarshalCandidate(c.candidate)
	if err != nil {
		return c, false, fmt.Errorf("%w: %v", ErrCandidate, err)
	}
	if in.UsernameFragment != nil {
		c.ufrag = *in.UsernameFragment
	} else if ext, has := parsed.GetExtension("ufrag"); has {
		c.ufrag = ext.Value
	}
	return c, true, nil
}

// candidateInit is the RTCIceCandidateInit of a candidate of ours.
func candidateInit(c *webrtc.ICECandidate) (string, error) {
	in := c.ToJSON()
	out := struct {
		Candidate     string `json:"candidate"`
		SDPMid        string `json:"sdpMid"`
		SDPMLineIndex int    `json:"sdpMLineIndex"`
	}{Candidate: in.Candidate}
	if in.SDPMid != nil {
		out.SDPMid = *in.SDPMid
	}
	if in.SDPMLineIndex != nil {
		out.SDPMLineIndex = int(*in.SDPMLineIndex)
	}
	b, err := json.Marshal(out)
	return string(b), err
}
