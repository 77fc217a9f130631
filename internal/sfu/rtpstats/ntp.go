package rtpstats

import "time"

// ntpEpoch is the Unix time of the NTP epoch, 1900-01-01.
const ntpEpoch = -2208988800

// NTP returns t as a 64-bit NTP timestamp (RFC 3550 §4).
func NTP(t time.Time) uint64 {
	sec := uint64(t.Unix() - ntpEpoch)
	frac := (uint64(t.Nanosecond())<<32 + 500_000_000) / 1_000_000_000
	return sec<<32 + frac
}

// Time returns the time of a 64-bit NTP timestamp.
func Time(ntp uint64) time.Time {
	nsec := ((ntp&0xffffffff)*1_000_000_000 + 1<<31) >> 32
	return time.Unix(int64(ntp>>32)+ntpEpoch, int64(nsec))
}

// RTT returns the round trip time told by a reception report that arrived at
// now, whose LSR and DLSR fields are given (RFC 3550 §6.4.1). It is not ok if
// the reporter had no sender report yet or the result makes no sense.
func RTT(now time.Time, lsr, dlsr uint32) (rtt time.Duration, ok bool) {
	if lsr == 0 {
		return 0, false
	}
	units := int32(uint32(NTP(now)>>16) - lsr - dlsr) // 1/65536 s
	if units < -65536/100 {                           // 10 ms of rounding and clock steps
		return 0, false
	}
	rtt = time.Duration(max(units, 0)) * time.Second / 65536
	return max(rtt, time.Millisecond/4), rtt < time.Minute
}

// Ticks converts a duration to units of a clock rate, exact for years.
func Ticks(d time.Duration, rate uint32) int64 {
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*int64(rate) + rest*int64(rate)/int64(time.Second)
}
