package wire

import (
	"fmt"
	"time"
)

// Stamp is a time in the names of files, to the millisecond, as the API's {utc}.
func Stamp(at time.Time) string {
	at = at.UTC()
	return at.Format("20060102150405") + fmt.Sprintf("%03d", at.Nanosecond()/int(time.Millisecond))
}
