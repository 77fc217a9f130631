package codec

// startsAV1 reads the aggregation header of the AV1 RTP specification §4.4:
// N marks the first packet of a coded video sequence, which begins with a key
// frame; Z would make it a continuation.
func startsAV1(b []byte) bool {
	return len(b) > 1 && b[0]&0x08 != 0 && b[0]&0x80 == 0
}
