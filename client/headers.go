package client

import (
	"strings"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

// headers parses the header of each packet that is received, once, into the same
// place: the interceptors after it use what it parsed, and would otherwise each
// allocate. They look at a header only while they have the packet.
type headers struct{ interceptor.NoOp }

type headersFactory struct{}

// NewInterceptor implements interceptor.Factory.
func (headersFactory) NewInterceptor(string) (interceptor.Interceptor, error) { return &headers{}, nil }

// BindRemoteStream implements interceptor.Interceptor. Retransmissions have a
// stream of their own, whose packets wait for the track's reader: they need headers
// of their own.
func (*headers) BindRemoteStream(info *interceptor.StreamInfo, reader interceptor.RTPReader) interceptor.RTPReader {
	if strings.EqualFold(info.MimeType, webrtc.MimeTypeRTX) {
		return reader
	}
	shared := interceptor.Attributes{} // of the one goroutine that reads
	return interceptor.RTPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, from, err := reader.Read(b, a)
		if err != nil || len(from) > 0 { // somebody has added something
			return n, from, err
		}
		first := len(shared) == 0
		h, err := shared.GetRTPHeader(b[:n])
		if err == nil && !first {
			_, err = h.Unmarshal(b[:n])
		}
		return n, shared, err
	})
}
