package peer

import (
	"fmt"
	"slices"

	"github.com/pion/sdp/v3"
)

// extensions are the header extensions (RFC 8285) that our offers have had, by
// kind of media. pion forgets them when an answer names none, as that to a
// section without a track does, and offers none from then on.
type extensions map[string][]sdp.Attribute

// keep notes the extensions of an offer, and gives those of its kind to each
// section that has none. opus has the parameters that Opus gets in a section.
func (e extensions) keep(offer string, opus func(mid string) string) (string, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(offer); err != nil {
		return "", fmt.Errorf("read our own offer: %w", err)
	}
	changed := false
	for _, m := range d.MediaDescriptions {
		var own []sdp.Attribute
		for _, a := range m.Attributes {
			if a.Key == "extmap" {
				own = append(own, a)
			}
		}
		if mid, _ := m.Attribute(sdp.AttrKeyMID); opus(mid) != "" {
			tellOpus(m, opus(mid))
			changed = true
		}
		kind := m.MediaName.Media
		switch known := e[kind]; {
		case len(own) > len(known):
			e[kind] = own
		case len(own) == 0 && len(known) > 0:
			m.Attributes = slices.Concat(m.Attributes, known)
			changed = true
		}
	}
	if !changed {
		return offer, nil
	}
	text, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("write our own offer: %w", err)
	}
	return string(text), nil
}
