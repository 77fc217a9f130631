package client

import (
	"slices"
	"testing"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// calls notes what is bound, in order.
type calls struct {
	interceptor.NoOp
	bound []string
}

func (c *calls) NewInterceptor(string) (interceptor.Interceptor, error) { return c, nil }

func (c *calls) BindRTCPWriter(w interceptor.RTCPWriter) interceptor.RTCPWriter {
	c.bound = append(c.bound, "writer")
	return w
}

func (c *calls) BindRemoteStream(_ *interceptor.StreamInfo, r interceptor.RTPReader) interceptor.RTPReader {
	c.bound = append(c.bound, "remote")
	return r
}

func (c *calls) BindLocalStream(_ *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	c.bound = append(c.bound, "local")
	return w
}

// Interceptors get their writer, and with it their timers, just before the first
// stream, and once.
func TestInterceptorsSleepUntilThereIsAStream(t *testing.T) {
	remote := interceptor.RTPReaderFunc(func([]byte, interceptor.Attributes) (int, interceptor.Attributes, error) { return 0, nil, nil })
	local := interceptor.RTPWriterFunc(func(*rtp.Header, []byte, interceptor.Attributes) (int, error) { return 0, nil })
	for name, bind := range map[string]func(interceptor.Interceptor){
		"remote": func(i interceptor.Interceptor) { i.BindRemoteStream(&interceptor.StreamInfo{}, remote) },
		"local":  func(i interceptor.Interceptor) { i.BindLocalStream(&interceptor.StreamInfo{}, local) },
	} {
		t.Run(name, func(t *testing.T) {
			inner, registry := &calls{}, new(interceptor.Registry)
			registry.Add(inner)
			i, err := dormantFactory{registry}.NewInterceptor("")
			if err != nil {
				t.Fatal(err)
			}
			i.BindRTCPWriter(interceptor.RTCPWriterFunc(func([]rtcp.Packet, interceptor.Attributes) (int, error) { return 0, nil }))
			if len(inner.bound) > 0 {
				t.Fatalf("without a stream, %v are bound", inner.bound)
			}
			bind(i)
			bind(i)
			if want := []string{"writer", name, name}; !slices.Equal(inner.bound, want) {
				t.Fatalf("bound %v, want %v", inner.bound, want)
			}
		})
	}
}
