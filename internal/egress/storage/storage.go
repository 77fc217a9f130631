package storage

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Store takes objects.
type Store interface {
	// Upload sends an object, from where the last try stopped. It returns nil when
	// the store has all of it. With ErrRefused the store does not want it; every
	// other error may pass.
	Upload(ctx context.Context, o Object) error
}

// Object is a file on its way.
type Object struct {
	Name        string // in the store, with slashes; see Target.Name
	ContentType string
	Size        int64 // bytes
	Body        io.ReaderAt
	// Anew is to be refused by a store that takes each name once, also if what is there
	// is the same. Else that counts as sent: S3 is asked for it when it refuses. A try
	// whose answer nobody heard leaves such an object.
	Anew bool
	// Progress is called whenever more of the object goes to the store; nil for nobody.
	Progress func()
	// State is what the store had saved in an earlier try, "" at first. Save is
	// called with what to hand in at the next try, before it is needed. It may be a
	// capability: it is kept as the target is.
	State string
	Save  func(state string)
}

// Options are how stores are reached.
type Options struct {
	// Guarded dials what a request named. It must not let it reach the inside.
	Guarded func(ctx context.Context, network, address string) (net.Conn, error)
	// PartSize is that of the pieces in which large objects go, in bytes; 0 is 8 MiB.
	// What a store demands (256 KiB, 5 MiB) is for the caller to keep.
	PartSize int64
	// Now is the time for signatures; nil is time.Now.
	Now func() time.Time
}

const (
	defaultPart = 8 << 20
	// maxParts is below S3's 10,000 and Azure's 50,000.
	maxParts = 9000
	// stallTimeout is how long a store may keep a request without an answer.
	stallTimeout = time.Minute
)

// Open returns the store of a target, which it validates. Nothing is asked of the
// store yet.
func Open(t Target, o Options) (Store, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if o.PartSize == 0 {
		o.PartSize = defaultPart
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	var proxy *Proxy
	switch {
	case t.S3 != nil:
		proxy = t.S3.Proxy
	case t.GCS != nil:
		proxy = t.GCS.Proxy
	}
	tr := transport(&t, proxy, o)
	switch {
	case t.S3 != nil:
		return openS3(&t, tr, o)
	case t.GCS != nil:
		return openGCS(&t, tr, o)
	}
	return openAzure(&t, tr, o)
}

// partSize is that of the pieces of an object of size bytes: as in the options, or
// so large that there are not too many.
func (o *Options) partSize(size int64) int64 {
	part := o.PartSize
	for size/part >= maxParts {
		part *= 2
	}
	return part
}

// transport is a pool of connections for one store.
func transport(t *Target, proxy *Proxy, o Options) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	tr := &http.Transport{
		DialContext:           dialer.DialContext,
		Proxy:                 http.ProxyFromEnvironment,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: stallTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   2,
		DisableCompression:    true,
	}
	if !t.Trusted {
		tr.DialContext, tr.Proxy = o.Guarded, nil
	}
	if proxy != nil {
		u, _ := url.Parse(proxy.URL) // validated
		if proxy.Username != "" {
			u.User = url.UserPassword(proxy.Username, proxy.Password)
			basic := base64.StdEncoding.EncodeToString([]byte(proxy.Username + ":" + proxy.Password))
			tr.ProxyConnectHeader = http.Header{"Proxy-Authorization": {"Basic " + basic}}
		}
		tr.Proxy = http.ProxyURL(u)
	}
	return tr
}

// noRedirects is a client's CheckRedirect: where a store sends us was not asked for
// by the target, and the answer to it is no confirmation.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// drain lets the connection of an answer be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}
