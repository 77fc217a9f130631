package egress

import (
	"bytes"
	"encoding/json"
	"net/netip"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
)

// route decides where outputs go: the targets, and the number of each output's. It
// refuses stores that cannot be.
func (s *Service) route(outputs []request.Output) (targets []storage.Target, to []int, err error) {
	for _, o := range outputs {
		if o.File == nil && o.Segments == nil && o.Images == nil {
			to = append(to, -1)
			continue
		}
		target, err := s.target(o.Storage)
		switch {
		case err != nil:
			return nil, nil, err
		case target == nil:
			to = append(to, -1)
			continue
		}
		at := -1
		for i := range targets {
			if same(&targets[i], target) {
				at = i
			}
		}
		if at < 0 {
			at, targets = len(targets), append(targets, *target)
		}
		to = append(to, at)
	}
	return targets, to, nil
}

func same(a, b *storage.Target) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// target is where a store of a request is; that of the server without one, nil if
// it has none.
func (s *Service) target(c *livekit.StorageConfig) (*storage.Target, error) {
	if c.GetProvider() == nil {
		return s.opts.Storage, nil
	}
	t := &storage.Target{}
	if s.opts.Storage != nil {
		t.Prefix = s.opts.Storage.Prefix // as upstream has it
	}
	switch p := c.Provider.(type) {
	case *livekit.StorageConfig_S3:
		if p.S3.GetAssumeRoleArn() != "" || p.S3.GetAssumeRoleExternalId() != "" {
			return nil, refuse(Unimplemented, "s3.assume_role_arn is not available: give keys of that role, with session_token")
		}
		t.S3 = &storage.S3{
			AccessKey: p.S3.GetAccessKey(), Secret: p.S3.GetSecret(), SessionToken: p.S3.GetSessionToken(), Region: p.S3.GetRegion(),
			Endpoint: p.S3.GetEndpoint(), Bucket: p.S3.GetBucket(), ForcePathStyle: p.S3.GetForcePathStyle(), Metadata: p.S3.GetMetadata(),
			Tagging: p.S3.GetTagging(), ContentDisposition: p.S3.GetContentDisposition(), Proxy: proxyOf(p.S3.GetProxy()),
		}
	case *livekit.StorageConfig_Gcp:
		t.GCS = &storage.GCS{Credentials: p.Gcp.GetCredentials(), Bucket: p.Gcp.GetBucket(), Proxy: proxyOf(p.Gcp.GetProxy())}
	case *livekit.StorageConfig_Azure:
		t.Azure = &storage.Azure{Account: p.Azure.GetAccountName(), Key: p.Azure.GetAccountKey(), Container: p.Azure.GetContainerName()}
	default:
		return nil, refuse(Unimplemented, "aliOSS is not available: Alibaba's OSS takes s3 with its endpoint")
	}
	if err := t.Validate(); err != nil {
		return nil, refuse(InvalidArgument, "%s", err)
	}
	for _, host := range t.Hosts() {
		if addr, err := netip.ParseAddr(host); err == nil {
			if err := s.opts.CheckAddress(addr); err != nil {
				return nil, refuse(InvalidArgument, "storage: %s", err)
			}
		}
	}
	return t, nil
}

func proxyOf(p *livekit.ProxyConfig) *storage.Proxy {
	if p.GetUrl() == "" {
		return nil
	}
	return &storage.Proxy{URL: p.Url, Username: p.Username, Password: p.Password}
}
