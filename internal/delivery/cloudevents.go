package delivery

import (
	"net/url"
	"strconv"

	"github.com/rollcall-rtc/rollcall/event"
)

// cloudEvent sets the attributes of CloudEvents 1.0 as headers: binary mode of
// its HTTP binding (§3.1.3). The body stays LiveKit's, as JSON. The extension
// "sequence" is the documented one; source and id together are unique.
func cloudEvent(set func(name, value string), rec *event.Record, occurred string) {
	set("Content-Type", "application/json")
	set("Ce-Specversion", "1.0")
	set("Ce-Id", rec.ID)
	set("Ce-Type", "rollcall."+string(rec.Name))
	source, subject := "/rollcall", ""
	if rec.Room != "" {
		source += "/rooms/" + url.PathEscape(rec.Room)
	}
	for _, s := range []string{rec.TrackSID, rec.Identity, rec.RoomSID} {
		if s != "" {
			subject = s
			break
		}
	}
	set("Ce-Source", headerText(source))
	if subject != "" {
		set("Ce-Subject", headerText(subject))
	}
	set("Ce-Time", occurred)
	set("Ce-Sequence", strconv.FormatUint(rec.Seq, 10))
	if rec.RoomSeq != 0 {
		set("Ce-Roomsequence", strconv.FormatUint(rec.RoomSeq, 10))
	}
}

// headerText encodes what a header cannot hold (HTTP binding §3.1.3.2).
func headerText(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
